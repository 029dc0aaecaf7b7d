#include "server/company.h"

/* At once is within two ticks' time: meanwhile an answer has to leave and the next request to
 * arrive. The last request counts a sixteenth. */
enum { WEIGHT = 16, MOST = COMPANY_ALL / 2 };

void company_note(struct company *company, uint64_t after)
{
    const int found = after / 2 <= company->tick_ns ? COMPANY_ALL : 0;
    company->returning += (found - company->returning) / WEIGHT;
}

bool company_expect(struct company *company, size_t rows, size_t ready, uint64_t ns, uint64_t now)
{
    company->tick_ns = ns;
    company->awaited = rows > 1 && ready < rows && company->returning >= MOST;
    company->rows = rows;
    company->until = now + ns;
    return company->awaited;
}

bool company_is_awaited(struct company *company, size_t ready, uint64_t now)
{
    company->awaited = company->awaited && ready < company->rows && now < company->until;
    return company->awaited;
}
