/* A text that an object of a file's JSON may have. */
#ifndef DEPLOY_CONVERT_MEMBER_TEXT_H
#define DEPLOY_CONVERT_MEMBER_TEXT_H

struct cJSON;

/* The string under key, borrowed from the object; otherwise (NULL is allowed) where there is none,
 * or something else, or no object. */
const char *member_text(const struct cJSON *object, const char *key, const char *otherwise);

#endif
