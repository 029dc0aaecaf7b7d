/* How far answers are from the frameworks': a line "CASE<tab>DIFFERENCE" for each, appended to the
 * file that LSTMD_DIFFERENCES names; without it, nothing. */
#ifndef TESTS_SUPPORT_DIFFERENCES_H
#define TESTS_SUPPORT_DIFFERENCES_H

void differences_note(const char *name, double largest);

#endif
