/* How much a deflated stream can hold: what announces more than that is not believed. */
#ifndef DEPLOY_CONVERT_DEFLATE_RATIO_H
#define DEPLOY_CONVERT_DEFLATE_RATIO_H

/* Bytes that it can make of one at the most: two bits say 258 of them (RFC 1951, 3.2.5). */
#define DEFLATE_RATIO 1032

#endif
