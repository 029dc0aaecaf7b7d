/* The numbers in sigmoid, tanh and the cell, shared by all kernels: the same constants are half of
 * the same bits. core/MODEL.md says where they come from. */
#ifndef CORE_ACTIVATION_CONSTANTS_H
#define CORE_ACTIVATION_CONSTANTS_H

#define EXP_CLAMP       88.0f               /* rounds to n = -127: scale 0 */
#define EXP_MINUS_LOG2E (-0x1.715476p+0f)   /* -1 / ln 2 */
#define EXP_MINUS_LN2   (-0x1.62e430p-1f)   /* -ln 2 */
#define EXP_ROUND       (12582912.0f + 127) /* 1.5 * 2^23, and the exponent bias */

/* q in exp(r) - 1 = r + r^2 q(r), |r| <= ln(2) / 2: minimax, relative error 1.4e-8. */
#define EXP_Q0 0.5f
#define EXP_Q1 0x1.5554b2p-3f
#define EXP_Q2 0x1.5554c8p-5f
#define EXP_Q3 0x1.122680p-7f
#define EXP_Q4 0x1.6d722ap-10f

/* Where the cell cuts its arguments: 1 + exp(87) is finite, and tanh(9.02) is 1 when rounded. */
#define CELL_SIGMOID_CUT 87.0f
#define CELL_TANH_CUT    9.02f

#endif
