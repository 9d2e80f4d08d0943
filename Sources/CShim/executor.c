// The runtime's hook is a variable that it calls instead of its own enqueue. It is looked up by
// name, so that programs that have no concurrency (the launcher) need not link its library.
#define _GNU_SOURCE
#include "CExecutor.h"

#include <dlfcn.h>
#include <stddef.h>

static celaut_job_sink job_sink;
static void *job_context;

// Called with Swift's convention, which passes two pointers as C does on x86-64 and AArch64.
static void enqueue(void *job, void *original) {
    (void)original;
    job_sink(job_context, job);
}

int celaut_take_jobs(celaut_job_sink sink, void *context) {
    void (**hook)(void *, void *) = dlsym(RTLD_DEFAULT, "swift_task_enqueueGlobal_hook");
    if (hook == NULL || *hook != NULL) return -1;
    job_context = context;
    job_sink = sink;
    __atomic_store_n(hook, enqueue, __ATOMIC_RELEASE);
    return 0;
}
