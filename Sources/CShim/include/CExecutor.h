// Where the Swift runtime puts jobs that belong to no executor.
#pragma once

// Takes a job that is to be run later. Called on any thread.
typedef void (*celaut_job_sink)(void *context, void *job);

// From now on every such job of this process goes to the sink instead of the runtime's thread pool.
// Once per process. 0, or -1 when the runtime has no such hook, or it is taken.
int celaut_take_jobs(celaut_job_sink sink, void *context);
