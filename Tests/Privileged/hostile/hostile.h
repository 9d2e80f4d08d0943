/* What the hostile programs share. An attack is a function that tries real things with real arguments
 * and says of each what became of it:
 *
 *   refused WHAT: ERRNO      the kernel said no, for a reason that counts as one
 *   GOT THROUGH WHAT         it did not
 *   BAD ATTACK WHAT: ERRNO   it failed because of its arguments: the attack proves nothing
 *
 * The last line is the count; the exit code is 0 if all was refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* An expression that must fail as a system call fails. */
#define REFUSED(expression) (errno = 0, refused(#expression, (long)(expression)))
/* The same in a child, which a filter may kill for it. */
#define REFUSED_OR_KILLED(expression)                                  \
    do {                                                               \
        pid_t child_ = fork();                                         \
        if (child_ == 0) _exit((long)(expression) == -1 ? errno : 0);  \
        refused_child(#expression, child_);                            \
    } while (0)
/* Something that must be so. */
#define HOLDS(condition) holds(#condition, !!(condition))

void refused(const char *what, long result);
void refused_child(const char *what, pid_t child);
void holds(const char *what, int is_so);
/* Opens and gives the descriptor back where that may succeed, with a name to be told. */
void refused_open(const char *path, int flags);
/* A field of /proc/self/status, as a number of base 16 or 10. */
unsigned long status_field(const char *name, int base);
const char *asked(const char *name);
void ready(void);

struct attack {
    const char *name;
    void (*run)(void);
};
extern const struct attack escapes[], kernel_surface[], sockets[], others[], files[], bombs[];
