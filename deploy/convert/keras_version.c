#include "deploy/convert/keras_version.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* A number of at most three digits; *text moves behind it. */
static unsigned read_number(const char **text)
{
    unsigned number = 0;
    for (size_t i = 0; i < 3 && isdigit((unsigned char)**text); i++, (*text)++)
        number = 10 * number + (unsigned)(**text - '0');
    return number;
}

struct keras_version keras_version_parse(const char *text)
{
    struct keras_version version = {0};
    if (strncmp(text, "tfjs-layers", 11) == 0)
        return (struct keras_version){.major = 2};
    version.major = read_number(&text);
    if (*text == '.') {
        text++;
        version.minor = read_number(&text);
    }
    version.tensorflow = version.major == 2 && (version.minor >= 4 || strstr(text, "-tf") != NULL);
    return version;
}
