// What Swift cannot import from the C library: variadic calls, the CMSG and wait-status macros,
// system calls without a wrapper, and constants that are casts. Nothing here decides anything:
// each function is one system call (or one macro) and returns -1 with errno set when it fails.
//
// The exception is celaut_spawn: between vfork and exec no Swift code may run, so that part of a
// child's life is written here, with system calls only.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "CExecutor.h"
#include "CHeap.h"
#include "CLookup.h"
#include "CRelay.h"
#include "CSandbox.h"

// LIMIT: 16 descriptors in one control message, as in WIRE.md §9; more are never sent, and a
// packet with more arrives with MSG_CTRUNC.
#define CELAUT_DESCRIPTORS_MAX 16

// Static strings, or NULL for numbers without a name.
const char *celaut_error_name(int code);
const char *celaut_error_description(int code);
const char *celaut_signal_name(int number);

static inline int celaut_openat(int directory, const char *path, int flags, unsigned mode) {
    return openat(directory, path, flags, (mode_t)mode);
}

static inline int celaut_renameat2(
    int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

static inline int celaut_openat2(
    int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

static inline int celaut_fcntl(int fd, int command, long argument) {
    return fcntl(fd, command, argument);
}

static inline int celaut_ioctl(int fd, unsigned long request, unsigned long argument) {
    return ioctl(fd, request, argument);
}

static inline int celaut_ioctl_pointer(int fd, unsigned long request, void *argument) {
    return ioctl(fd, request, argument);
}

static inline long celaut_syscall(
    long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
    unsigned long e, unsigned long f) {
    return syscall(number, a, b, c, d, e, f);
}

static inline int celaut_prctl(
    int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return prctl(option, a, b, c, d);
}

static inline int celaut_getdents(int fd, void *buffer, size_t bytes) {
    return (int)syscall(SYS_getdents64, fd, buffer, bytes);
}

static inline int celaut_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static inline int celaut_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static inline char **celaut_environment(void) { return environ; }

static inline int celaut_prlimit(
    pid_t pid, int resource, const struct rlimit *set, struct rlimit *before) {
    return prlimit(pid, (enum __rlimit_resource)resource, set, before);
}

static inline int celaut_waitid(int which, unsigned id, siginfo_t *info, int options) {
    return waitid((idtype_t)which, (id_t)id, info, options);
}
static inline int celaut_siginfo_pid(const siginfo_t *info) { return info->si_pid; }
static inline int celaut_siginfo_status(const siginfo_t *info) { return info->si_status; }
static inline int celaut_siginfo_code(const siginfo_t *info) { return info->si_code; }

// --- files -------------------------------------------------------------------------------------

struct celaut_status {
    uint32_t mode, links, uid, gid, device_major, device_minor, rdevice_major, rdevice_minor;
    uint64_t inode, size, blocks, mount_id;
    int64_t modified_ns, changed_ns;
};

int celaut_statx(int directory, const char *path, int flags, struct celaut_status *out);

// --- sockets -----------------------------------------------------------------------------------

static inline int celaut_accept(int fd) {
    return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int celaut_bind_unix(int fd, const char *path, size_t bytes);
int celaut_connect_unix(int fd, const char *path, size_t bytes);
int celaut_bind_ipv4(int fd, uint32_t address, uint16_t port);
int celaut_connect_ipv4(int fd, uint32_t address, uint16_t port);
int celaut_name_ipv4(int fd, int peer, uint32_t *address, uint16_t *port);
int celaut_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid);

static inline int celaut_socket_option(int fd, int level, int option, int *value) {
    socklen_t bytes = sizeof *value;
    return getsockopt(fd, level, option, value, &bytes);
}

static inline int celaut_socket_option_set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value);
}

// One packet of two parts (the second may be empty) with its descriptors.
static inline ssize_t celaut_send(
    int fd, const void *head, size_t head_bytes, const void *body, size_t body_bytes,
    const int *descriptors, size_t count, int flags) {
    struct iovec parts[2] = {
        {.iov_base = (void *)head, .iov_len = head_bytes},
        {.iov_base = (void *)body, .iov_len = body_bytes},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = body_bytes ? 2 : 1};
    union {
        char bytes[CMSG_SPACE(CELAUT_DESCRIPTORS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    if (count > CELAUT_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0) {
        memset(control.bytes, 0, CMSG_SPACE(count * sizeof(int)));
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *first = CMSG_FIRSTHDR(&message);
        first->cmsg_level = SOL_SOCKET;
        first->cmsg_type = SCM_RIGHTS;
        first->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(first), descriptors, count * sizeof(int));
    }
    return sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

// One packet. `descriptors` has room for CELAUT_DESCRIPTORS_MAX; `*flags` gets msg_flags.
static inline ssize_t celaut_receive(
    int fd, void *buffer, size_t bytes, int *descriptors, size_t *count, int *flags) {
    struct iovec part = {.iov_base = buffer, .iov_len = bytes};
    union {
        char bytes[CMSG_SPACE(CELAUT_DESCRIPTORS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    *count = 0;
    ssize_t got = recvmsg(fd, &message, *flags | MSG_CMSG_CLOEXEC);
    if (got < 0) return got;
    *flags = message.msg_flags;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t arrived = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < arrived && *count < CELAUT_DESCRIPTORS_MAX; i++) {
            memcpy(&descriptors[*count], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            *count += 1;
        }
    }
    return got;
}

// --- processes ---------------------------------------------------------------------------------

static inline int celaut_wait_exited(int status) { return WIFEXITED(status); }

struct celaut_spawn {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;      // NULL: as the parent
    const int *sources;         // sources[i] becomes descriptor targets[i]; all else is closed
    const int *targets;
    size_t count;
    int64_t uid, gid;           // -1: as the parent; both or none; supplementary groups dropped
    int new_session;            // setsid
    int no_new_privileges;
    int parent_death_signal;    // 0: none
    int64_t umask;              // -1: as the parent
    int64_t core_limit;         // RLIMIT_CORE; -1: as the parent
    int64_t files_limit;        // RLIMIT_NOFILE; -1: as the parent
    int pid_variable;           // replace the value of LISTEN_PID in `environment` (see .c)
};

// The pid, or -1 with errno of the step that failed, whose name is in *step.
pid_t celaut_spawn(const struct celaut_spawn *plan, const char **step);

// --- constants that are casts or missing --------------------------------------------------------

static const int celaut_at_fdcwd = AT_FDCWD;
static const unsigned long celaut_ficlone = 0x40049409; // _IOW(0x94, 9, int)
static const int celaut_o_tmpfile = O_TMPFILE;
static const int celaut_o_path = O_PATH;
static const int celaut_o_nofollow = O_NOFOLLOW;
static const int celaut_o_directory = O_DIRECTORY;
static const int celaut_o_noatime = O_NOATIME;
static const int celaut_o_direct = O_DIRECT;
static const int celaut_p_pidfd = P_PIDFD;
static const int celaut_mfd_flags = 0x0001 | 0x0002; // MFD_CLOEXEC | MFD_ALLOW_SEALING
static const int celaut_f_add_seals = 1033;
static const int celaut_f_get_seals = 1034;
static const int celaut_seals_all = 0x000f; // SEAL, SHRINK, GROW, WRITE
static const uint64_t celaut_resolve_beneath = RESOLVE_BENEATH;
static const uint64_t celaut_resolve_no_symlinks = RESOLVE_NO_SYMLINKS;
static const uint64_t celaut_resolve_no_magiclinks = RESOLVE_NO_MAGICLINKS;
static const uint64_t celaut_resolve_no_xdev = RESOLVE_NO_XDEV;
static const uint64_t celaut_resolve_in_root = RESOLVE_IN_ROOT;
