/* Tells what an instance can observe of where it runs: "KEY VALUE", one a line. test_determinism.py says
 * which keys are the same wherever the box runs. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* The lines of a file that begin with one of the words; all of them without any. */
static void file(const char *key, const char *path, const char *const *words) {
    char line[4096];
    FILE *open_file = fopen(path, "re");
    if (!open_file) {
        printf("%s absent\n", key);
        return;
    }
    while (fgets(line, sizeof line, open_file)) {
        int wanted = !words;
        for (int i = 0; words && words[i]; i++) wanted |= !strncmp(line, words[i], strlen(words[i]));
        line[strcspn(line, "\n")] = 0;
        if (wanted) printf("%s %s\n", key, line);
    }
    fclose(open_file);
}

static void names(const char *key, const char *folder, int with_inodes) {
    DIR *open_folder = opendir(folder);
    printf("%s", key);
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        printf(" %s", entry->d_name);
        if (with_inodes) printf("=%lu", (unsigned long)entry->d_ino);
    }
    printf("\n");
    if (open_folder) closedir(open_folder);
}

static void entry(const char *key, const char *path) {
    struct stat status;
    if (lstat(path, &status)) {
        printf("%s %s absent\n", key, path);
        return;
    }
    printf("%s %s inode %lu mode %o owner %u:%u links %lu size %ld mtime ", key, path,
           (unsigned long)status.st_ino, status.st_mode, status.st_uid, status.st_gid,
           (unsigned long)status.st_nlink, (long)(S_ISDIR(status.st_mode) ? 0 : status.st_size));
    /* What was made or changed since the start has the clock's time, which is free. */
    if (status.st_mtim.tv_sec > time(NULL) - 3600) printf("now\n");
    else printf("%ld\n", (long)status.st_mtim.tv_sec);
}

static void clock_of(const char *key, clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    printf("%s %ld.%09ld\n", key, (long)now.tv_sec, now.tv_nsec);
}

static void space(const char *path) {
    struct statvfs status;
    if (statvfs(path, &status)) return;
    printf("space %s blocks %lu of %lu files %lu flags %lx\n", path, (unsigned long)status.f_blocks,
           (unsigned long)status.f_bsize, (unsigned long)status.f_files, status.f_flag);
}

static void processes(int count, char **arguments) {
    printf("pids %d %d %d %d\npids", getpid(), getppid(), getsid(0), getpgrp());
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        printf(" %d", child);
        waitpid(child, NULL, 0);
    }
    printf("\narguments");
    for (int i = 0; i < count; i++) printf(" %s", arguments[i]);
    printf("\n");
    for (char **variable = environ; *variable; variable++) printf("environment %s\n", *variable);
    printf("ids %u %u %u %u groups %d\n", getuid(), geteuid(), getgid(), getegid(),
           getgroups(0, NULL));
    static const char *const rights[] = {
        "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp:", "Groups", NULL};
    file("rights", "/proc/self/status", rights);
    static const char *const signals[] = {"SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd", NULL};
    file("signals", "/proc/self/status", signals);
    char folder[64];
    mode_t mask = umask(022);
    printf("place %s umask %o\n", getcwd(folder, sizeof folder), mask);
    for (int fd = 0; fd < 1024; fd++) {
        struct stat status;
        if (fstat(fd, &status) == 0)
            printf("descriptors %d %o %x\n", fd, status.st_mode & S_IFMT, fcntl(fd, F_GETFL));
    }
    for (int limit = 0; limit < RLIM_NLIMITS; limit++) {
        struct rlimit value;
        getrlimit((__rlimit_resource_t)limit, &value);
        /* Of pending signals and processes the kernel's default goes by the machine's memory. */
        if (limit != RLIMIT_NPROC && limit != RLIMIT_SIGPENDING)
            printf("limits %d %lu %lu\n", limit, value.rlim_cur, value.rlim_max);
    }
    printf("scheduling %d %d\n", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0));
}

int main(int count, char **arguments) {
    struct utsname name;
    clock_of("clocks-monotonic", CLOCK_MONOTONIC);
    clock_of("clocks-boottime", CLOCK_BOOTTIME);
    clock_of("free-realtime", CLOCK_REALTIME);
    file("uptime", "/proc/uptime", NULL);
    processes(count, arguments);
    uname(&name);
    printf("names %s %s %s %s\n", name.sysname, name.nodename, name.domainname, name.machine);
    printf("free-kernel %s %s\n", name.release, name.version);
    file("machine-id", "/etc/machine-id", NULL);
    file("boot-id", "/proc/sys/kernel/random/boot_id", NULL);
    char path[64];
    mkdir("/tmp/made", 0755);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/tmp/made/file-%d", i * 7919);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    }
    names("order /tmp/made", "/tmp/made", 0);
    names("order /", "/", 0);
    names("order /packed", "/packed", 0);
    names("order /dev", "/dev", 0);
    names("inodes-made", "/tmp/made", 1);
    names("inodes /packed", "/packed", 1);
    entry("entries", "/");
    entry("entries", "/packed");
    entry("entries", "/packed/b");
    entry("entries", "/bin/busybox");
    entry("entries", "/observe");
    entry("inodes-made", "/tmp/made/file-0");
    space("/");
    space("/dev");
    space("/dev/shm");
    names("sys", "/sys", 0);
    file("network", "/proc/net/dev_mcast", NULL);
    file("network-routes", "/proc/net/route", NULL);
    file("network-ports", "/proc/sys/net/ipv4/ip_unprivileged_port_start", NULL);
    struct ifaddrs *addresses = NULL;
    getifaddrs(&addresses);
    for (struct ifaddrs *each = addresses; each; each = each->ifa_next)
        printf("network %s %d %x\n", each->ifa_name, each->ifa_addr ? each->ifa_addr->sa_family : -1,
               each->ifa_flags);
    names("proc-names", "/proc", 0);
    names("proc-names /proc/self", "/proc/self", 0);
    static const char *const hidden[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list",
                                         "/proc/interrupts", "/proc/kallsyms", "/proc/modules", NULL};
    for (int i = 0; hidden[i]; i++) {
        char byte;
        int fd = open(hidden[i], O_RDONLY | O_CLOEXEC);
        printf("proc-hidden %s %s\n", hidden[i], fd < 0 || read(fd, &byte, 1) != 1 ? "empty" : "told");
        close(fd);
    }
    file("proc-cgroup", "/proc/self/cgroup", NULL);
    file("mounts", "/proc/self/mounts", NULL);
    file("users", "/proc/self/uid_map", NULL);
    file("projects", "/proc/self/projid_map", NULL);
    printf("free-processors %d\n", get_nprocs());
    printf("free-memory %lu\n", sysconf(_SC_PHYS_PAGES));
    printf("free-addresses %p %p %lx\n", (void *)&count, (void *)malloc(1),
           getauxval(AT_SYSINFO_EHDR));
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    printf("free-random");
    for (int i = 0; random && i < 16; i++) printf(" %02x", random[i]);
    printf("\n");
    return 0;
}
