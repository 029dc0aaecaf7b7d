/* Who may do what: bearer tokens from a file, one a line, behind the scope it has:
 *
 *     # two of a scope may stand beside each other while the old one is still in use
 *     infer 3q2-7wR8cZJp0vUe
 *     admin kJ8sd_0a91hFhYw2
 *
 * `read` is for metadata, statistics and metrics; `infer` for that, requests of every protocol and
 * sequences; `admin` for that, loading, unloading and changing settings. A token that stands in
 * several lines has the widest of their scopes. Whether the server lives and is ready may be asked
 * without a token, and so may its own pages.
 *
 * Threads: any. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/router.h"

#define ACCESS_TOKENS_MAX 64
#define ACCESS_TOKEN_MIN  16
#define ACCESS_TOKEN_MAX  256

struct access;

/* Reads the file; at least one token is expected. On failure, 400 or 503, nothing is held; texts
 * start with the path and hold no token. */
bool access_open(struct access **access, const char *path, struct fault *fault);
void access_close(struct access *access);

/* Reads the file again. On failure the tokens stay what they were. */
bool access_reload(struct access *access, struct fault *fault);

/* authorization: the header's value, or NULL. How long this takes does not depend on which token,
 * or which part of one, was right. false: 401 no token or none of these, 403 one that may not do
 * this.
 */
bool access_check(struct access *access, enum route_kind kind, const char *authorization,
                  struct fault *fault);

/* What WWW-Authenticate says to that refusal, static text; NULL to any other. */
const char *access_challenge(int status, bool token_given);

#endif
