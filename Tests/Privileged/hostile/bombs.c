/* Too much of everything, and ends that are not clean. What the node must say of each is in the test. */
#include "hostile.h"
#include <dirent.h>
#include <sys/inotify.h>
#include <sys/shm.h>
#include <time.h>

static void forks(void) {
    int count = 0;
    pid_t child;
    while ((child = fork()) > 0) count++;
    if (child == 0)
        for (;;) pause();
    refused("fork", -1);
    printf("forked %d\n", count);
}

static void threads_of_forks(void) {
    /* Each child forks again: what is left when the first ends is the node's to clear away. */
    for (int i = 0; i < 100000; i++)
        if (fork() < 0 && errno == EAGAIN) break;
    setsid();
    for (;;) fork();
}

static void fill_memory(char *memory, size_t bytes) {
    if (memory == MAP_FAILED) return;
    for (size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
}

static void memory(void) {
    for (;;)
        fill_memory(mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                    16 << 20);
}

static void memory_of_files(void) {
    int fd = memfd_create("bomb", MFD_CLOEXEC);
    static char block[1 << 20];
    for (;;)
        if (write(fd, block, sizeof block) <= 0) fd = memfd_create("bomb", MFD_CLOEXEC);
}

static void memory_of_segments(void) {
    for (;;) {
        int identity = shmget(IPC_PRIVATE, 8 << 20, 0600);
        if (identity >= 0) fill_memory(shmat(identity, NULL, 0), 8 << 20);
    }
}

static void memory_of_pipes(void) {
    static char block[1 << 20];
    for (;;) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
            /* All descriptors are taken: the rest by other means. */
            memory();
        }
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){1 << 30}, sizeof(int));
        while (write(pair[0], block, sizeof block) > 0) continue;
    }
}

static long written(const char *folder, size_t most) {
    static char block[1 << 20];
    char path[64];
    long total = 0;
    memset(block, 'x', sizeof block);
    snprintf(path, sizeof path, "%s/bomb", folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    errno = 0;
    for (ssize_t got; (size_t)total < most && (got = write(fd, block, sizeof block)) > 0;) total += got;
    refused(path, (size_t)total < most ? -1 : total);
    printf("wrote %ld\n", total);
    close(fd);
    return total;
}

static void disk(void) { written("/tmp", 1ul << 30); }
static void shm(void) { written("/dev/shm", 1ul << 30); }

static void disk_by_holes(void) {
    int fd = open("/tmp/holes", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REFUSED(fallocate(fd, 0, 0, 1l << 32));
    HOLDS(ftruncate(fd, 1l << 32) == 0); /* a hole costs nothing */
    long total = 0;
    for (off_t at = 0; at < 1l << 32; at += 1 << 20) {
        if (pwrite(fd, "x", 1, at) != 1) break;
        total++;
    }
    printf("touched %ld\n", total);
}

static void inodes_in(const char *folder, long most) {
    char path[64];
    long count = 0;
    errno = 0;
    for (; count < most; count++) {
        snprintf(path, sizeof path, "%s/%ld", folder, count);
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) break;
        close(fd);
    }
    refused("inodes", count < most ? -1 : count);
    printf("made %ld\n", count);
}

static void inodes(void) { inodes_in("/tmp", 1000000); }
static void shm_inodes(void) { inodes_in("/dev/shm", 10000000); }

static void descriptors(void) {
    int count = 0;
    errno = 0;
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) count++;
    refused("open", -1);
    printf("opened %d\n", count);
    for (int fd = 3; fd < 512; fd++) close(fd);
    REFUSED(setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}));
    REFUSED(prlimit(1, RLIMIT_NOFILE, &(struct rlimit){1, 1}, NULL));
    struct rlimit core;
    HOLDS(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
}

static void watches(void) {
    int count = 0;
    while (inotify_init1(IN_CLOEXEC) >= 0 && count < 100000) count++;
    refused("inotify_init1", count < 100000 ? -1 : count);
}

static void timers(void) {
    timer_t timer;
    long count = 0;
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    while (count < 1000000 && timer_create(CLOCK_MONOTONIC, &none, &timer) == 0) count++;
    refused("timer_create", count < 1000000 ? -1 : count);
}

static void flood(void) {
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    for (size_t at = 99; at < sizeof block; at += 100) block[at] = '\n';
    for (int i = 0; i < 1024; i++)
        if (write(i % 2 + 1, block, sizeof block) < 0) HOLDS(!"output is taken");
    dprintf(1, "the last line\n");
    HOLDS(1);
}

static void one_line(void) {
    static char block[1 << 16];
    memset(block, 0x1B, sizeof block); /* escapes, and no line's end */
    for (int i = 0; i < 256; i++)
        if (write(1, block, sizeof block) < 0) HOLDS(!"output is taken");
    _exit(0);
}

static void zombies(void) {
    for (int i = 0; i < 30; i++)
        if (fork() == 0) _exit(0);
    for (int i = 0; i < 10; i++)
        if (fork() == 0) {
            setsid();
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            for (;;) pause();
        }
    kill(getpid(), SIGKILL);
}

static void ignore_term(void) {
    for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
    ready();
    for (;;) pause();
}

static void arguments(void) {
    size_t bytes = 8 << 20;
    char *one = malloc(bytes), *environment[] = {NULL};
    if (!one) return;
    memset(one, 'x', bytes - 1);
    one[bytes - 1] = 0;
    char *vector[] = {"/bin/busybox", one, NULL};
    REFUSED(execve("/bin/busybox", vector, environment));
    one[131071] = 0;
    static char *many[4096];
    for (int i = 0; i < 4095; i++) many[i] = one;
    REFUSED(execve("/bin/busybox", many, environment));
}

/* A name that breaks what reads /proc/PID/stat or status a field at a time. */
static void false_name(void) {
    prctl(PR_SET_NAME, asked("NAME"), 0, 0, 0);
    ready();
    for (;;) pause();
}

static void sleep_long(void) {
    ready();
    for (;;) pause();
}

static void secret(void) {
    printf("%s\n", asked("SECRET"));
    ready();
    for (;;) pause();
}

static void burn(void) {
    for (int i = 0; i < 4; i++)
        if (fork() == 0)
            for (;;) continue;
    sleep(1);
}

const struct attack bombs[] = {
    {"fork-bomb", forks}, {"fork-bomb-without-end", threads_of_forks}, {"memory-bomb", memory},
    {"memory-of-files-bomb", memory_of_files}, {"segments-bomb", memory_of_segments},
    {"buffers-bomb", memory_of_pipes}, {"disk-bomb", disk}, {"shm-bomb", shm},
    {"holes-bomb", disk_by_holes}, {"inode-bomb", inodes}, {"shm-inode-bomb", shm_inodes},
    {"descriptor-bomb", descriptors}, {"watch-bomb", watches}, {"timer-bomb", timers},
    {"log-flood", flood}, {"endless-line", one_line}, {"zombies", zombies},
    {"ignore-term", ignore_term}, {"large-arguments", arguments}, {"false-name", false_name},
    {"sleep", sleep_long}, {"secret", secret}, {"burn", burn}, {0}};
