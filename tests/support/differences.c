#include "tests/support/differences.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/die.h"

void differences_note(const char *name, double largest)
{
    const char *path = getenv("LSTMD_DIFFERENCES");
    if (path == NULL)
        return;
    FILE *file = fopen(path, "a");
    if (file == NULL)
        die("%s: cannot be written", path);
    fprintf(file, "%s\t%.1e\n", name, largest);
    fclose(file);
}
