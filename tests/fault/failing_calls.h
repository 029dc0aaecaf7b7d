/* Makes calls fail that only fail on a machine in need: the linker routes this project's own
 * allocations and threads here (--wrap in the Makefile); libraries' are left alone, but that of
 * zmq_msg_init_data. Live blocks are counted, so that a leak shows without a sanitizer too. */
#ifndef TESTS_FAULT_FAILING_CALLS_H
#define TESTS_FAULT_FAILING_CALLS_H

#include <stdbool.h>

/* From now on so many allocations succeed and all later ones fail. Live blocks are counted from
 * here. */
void fail_memory_after(long count);
/* They succeed again. Has any failed? */
bool fail_memory_no_more(void);

long live_blocks(void);

/* From now on so many threads can be made and no more; -1: any number. */
void fail_threads_after(long count);

#endif
