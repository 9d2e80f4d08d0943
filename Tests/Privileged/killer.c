/* Kills a process of a family at its n-th system call, before the kernel does anything of it.
 *
 * killer PID GENERATION NUMBER: the family is PID with all its threads and descendants, now and later;
 * PID is of generation 0, its children of 1. The system calls of all processes of GENERATION are counted
 * together from "ready" on. Says "ready", then "killed PID SYSCALL" and ends; on TERM it says "counted
 * CALLS" and ends. What it traced then goes on by itself. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS_MAX = 4096, OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
           | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC };

struct task {
    pid_t id, process;
    int generation;
};

static struct task tasks[TASKS_MAX];
static int count;
static volatile long calls;

static void on_term(int number)
{
    (void)number;
    dprintf(STDOUT_FILENO, "counted %ld\n", calls);
    _exit(0);
}

/* A number of /proc/ID/status, by its name with the colon; 0 where it is gone. */
static pid_t status_of(pid_t id, const char *name)
{
    char line[256];
    pid_t value = 0;
    snprintf(line, sizeof line, "/proc/%d/status", id);
    FILE *file = fopen(line, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atoi(line + strlen(name));
    if (file)
        fclose(file);
    return value;
}

static struct task *find(pid_t id)
{
    for (int index = 0; index < count; index++)
        if (tasks[index].id == id)
            return &tasks[index];
    return NULL;
}

/* A task met for the first time: its generation comes from its process or its parent. */
static struct task *note(pid_t id)
{
    struct task *known = find(id);
    if (known)
        return known;
    if (count == TASKS_MAX)
        exit(2);
    pid_t process = status_of(id, "Tgid:");
    struct task *relative = find(process);
    int generation = relative ? relative->generation : 0;
    if (!relative && (relative = find(status_of(id, "PPid:"))))
        generation = relative->generation + 1;
    tasks[count] = (struct task){ id, process ? process : id, generation };
    return &tasks[count++];
}

/* All threads of a process, and then all that descends from it. */
static void seize(pid_t process)
{
    char path[64];
    pid_t children[64], id;
    int held = 0;
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if ((id = atoi(entry->d_name)) == 0)
            continue;
        note(id);
        if (ptrace(PTRACE_SEIZE, id, NULL, OPTIONS) == 0)
            ptrace(PTRACE_INTERRUPT, id, NULL, NULL);
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", process, id);
        FILE *file = fopen(path, "re");
        while (file && held < 64 && fscanf(file, "%d", &children[held]) == 1)
            held++;
        if (file)
            fclose(file);
    }
    if (folder)
        closedir(folder);
    while (held > 0)
        seize(children[--held]);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int generation = atoi(argv[2]);
    long number = atol(argv[3]);
    struct sigaction action = { .sa_handler = on_term };
    sigaction(SIGTERM, &action, NULL);
    seize(atoi(argv[1]));
    if (count == 0)
        return 2;
    puts("ready");
    fflush(stdout);
    for (;;) {
        int status;
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0 && errno == ECHILD)
            pause();
        if (id < 0 || !WIFSTOPPED(status))
            continue;
        struct task *task = note(id);
        int signal = WSTOPSIG(status), event = status >> 16;
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info = { 0 };
            ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info);
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY && task->generation == generation
                && ++calls == number) {
                kill(task->process, SIGKILL);
                printf("killed %d %llu\n", task->process, (unsigned long long)info.entry.nr);
                return 0;
            }
            signal = 0;
        } else if (event != 0 || signal == SIGTRAP) {
            signal = 0;
        }
        ptrace(PTRACE_SYSCALL, id, NULL, signal);
    }
}
