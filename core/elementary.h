/* Elementary functions in double, made of IEEE operations alone (no library's, whose bits vary):
 * the layers that are not on the serving path's inner loop compute in double and round to float32
 * once. Relative errors below 1e-12 (expm1: 3e-11), far under that rounding. NaN in gives NaN out.
 */
#ifndef CORE_ELEMENTARY_H
#define CORE_ELEMENTARY_H

/* exp(x); beyond |x| = 700 as if x were 700 or -700, both outside of float32's range. */
double elementary_exp(double x);

/* exp(x) - 1, without cancellation near 0. */
double elementary_expm1(double x);

/* log(1 + x), x >= 0. */
double elementary_log1p(double x);

/* The upper tail of the normal distribution, erfc(z / sqrt 2) / 2, z >= 0. */
double elementary_normal_tail(double z);

/* The nearest float32, Infinity where there is none. */
float elementary_round(double x);

#endif
