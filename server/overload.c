#include "server/overload.h"

#include "server/events.h"

void overload_init(struct overload *overload)
{
    atomic_init(&overload->refused_at, 0);
}

void overload_refused(struct overload *overload, const char *model, size_t requests)
{
    size_t none = 0;
    const size_t at = requests != 0 ? requests : 1;
    if (atomic_compare_exchange_strong(&overload->refused_at, &none, at))
        events_tell(EVENT_OVERLOAD_STARTED, model, NULL);
}

void overload_eased(struct overload *overload, const char *model, size_t requests)
{
    size_t at = atomic_load(&overload->refused_at);
    if (at != 0 && requests <= at / 2 &&
        atomic_compare_exchange_strong(&overload->refused_at, &at, 0))
        events_tell(EVENT_OVERLOAD_ENDED, model, NULL);
}
