/* What one step makes of a unit's four pre-activations: the cell of an LSTM with sigmoid and tanh.
 * This is the definition; every kernel computes the same bits (core/MODEL.md has the formulas). */
#ifndef CORE_CELL_H
#define CORE_CELL_H

/* c = sigmoid(f) c + sigmoid(i) tanh(g) in place, h = sigmoid(o) tanh(c). Error against the exact
 * functions of the same floats: where the others are 1, a sigmoid at most 3.3 units in the last
 * place (5.5 from -20 down; from -87 down it is 1.6e-38), a tanh 2.9. NaN gives NaN, no input traps
 * or is slow. */
void cell_step(float i, float f, float g, float o, float *c, float *h);

#endif
