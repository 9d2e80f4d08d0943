#pragma once
// The caller's place in the code is ours to give, as a field.
#define SD_JOURNAL_SUPPRESS_LOCATION 1
#include <stdlib.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

// What sd_listen_fds_with_names allocates is freed by its caller.
static inline void sd_free(void *memory) { free(memory); }
