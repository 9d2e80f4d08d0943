#include "CShim.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

const char *celaut_error_name(int code) { return strerrorname_np(code); }
const char *celaut_error_description(int code) { return strerrordesc_np(code); }
const char *celaut_signal_name(int number) { return sigabbrev_np(number); }

int celaut_statx(int directory, const char *path, int flags, struct celaut_status *out) {
    struct statx s;
    if (statx(directory, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, &s) != 0) return -1;
    *out = (struct celaut_status){
        .mode = s.stx_mode,
        .links = s.stx_nlink,
        .uid = s.stx_uid,
        .gid = s.stx_gid,
        .device_major = s.stx_dev_major,
        .device_minor = s.stx_dev_minor,
        .rdevice_major = s.stx_rdev_major,
        .rdevice_minor = s.stx_rdev_minor,
        .inode = s.stx_ino,
        .size = s.stx_size,
        .blocks = s.stx_blocks,
        .mount_id = s.stx_mnt_id,
        .modified_ns = s.stx_mtime.tv_sec * 1000000000LL + s.stx_mtime.tv_nsec,
        .changed_ns = s.stx_ctime.tv_sec * 1000000000LL + s.stx_ctime.tv_nsec,
    };
    return 0;
}

static int unix_address(struct sockaddr_un *out, const char *path, size_t bytes) {
    if (bytes == 0 || bytes >= sizeof out->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path, bytes);
    return 0;
}

int celaut_bind_unix(int fd, const char *path, size_t bytes) {
    struct sockaddr_un address;
    if (unix_address(&address, path, bytes) != 0) return -1;
    return bind(fd, (struct sockaddr *)&address, sizeof address);
}

int celaut_connect_unix(int fd, const char *path, size_t bytes) {
    struct sockaddr_un address;
    if (unix_address(&address, path, bytes) != 0) return -1;
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static struct sockaddr_in ipv4(uint32_t address, uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(address),
    };
}

int celaut_bind_ipv4(int fd, uint32_t address, uint16_t port) {
    struct sockaddr_in name = ipv4(address, port);
    return bind(fd, (struct sockaddr *)&name, sizeof name);
}

int celaut_connect_ipv4(int fd, uint32_t address, uint16_t port) {
    struct sockaddr_in name = ipv4(address, port);
    return connect(fd, (struct sockaddr *)&name, sizeof name);
}

int celaut_name_ipv4(int fd, int peer, uint32_t *address, uint16_t *port) {
    struct sockaddr_in name = {0};
    socklen_t bytes = sizeof name;
    int done = peer ? getpeername(fd, (struct sockaddr *)&name, &bytes)
                    : getsockname(fd, (struct sockaddr *)&name, &bytes);
    if (done != 0) return -1;
    if (name.sin_family != AF_INET) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    *address = ntohl(name.sin_addr.s_addr);
    *port = ntohs(name.sin_port);
    return 0;
}

int celaut_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return -1;
    *pid = peer.pid;
    *uid = peer.uid;
    *gid = peer.gid;
    return 0;
}

// --- spawn ---------------------------------------------------------------------------------------

// What the child tells the parent, whose memory it shares until exec.
struct failure {
    volatile int code;
    const char *volatile step;
};

#define STEP(name, call)            \
    do {                            \
        if ((call) < 0) {           \
            failed->step = name;    \
            failed->code = errno;   \
            _exit(127);             \
        }                           \
    } while (0)

static void write_pid(char *text, pid_t pid) {
    // LISTEN_PID=<pid>, written where the caller left room of ten characters.
    char digits[12];
    int n = 0;
    do {
        digits[n++] = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid > 0);
    int i = 0;
    while (n > 0) text[i++] = digits[--n];
    text[i] = 0;
}

// Runs in the child of vfork: its parent is suspended and shares all memory, so: system calls
// only, no allocation, no lock. The set*id calls are made raw because the C library's wrappers
// would signal the parent's other threads.
__attribute__((noreturn)) static void become(
    const struct celaut_spawn *plan, const int *high, struct failure *failed) {
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction handled;
        if (sigaction(signal, NULL, &handled) != 0) continue;
        if (handled.sa_handler == SIG_DFL) continue;
        handled = (struct sigaction){.sa_handler = SIG_DFL};
        sigaction(signal, &handled, NULL);
    }
    if (plan->new_session) STEP("setsid", setsid());
    if (plan->parent_death_signal)
        STEP("parent-death-signal", prctl(PR_SET_PDEATHSIG, plan->parent_death_signal, 0, 0, 0));
    for (size_t i = 0; i < plan->count; i++) STEP("dup2", dup2(high[i], plan->targets[i]));
    // Every number that was not asked for is closed, in the gaps and above.
    int next = 0;
    for (;;) {
        int wanted = -1;
        for (size_t i = 0; i < plan->count; i++)
            if (plan->targets[i] >= next && (wanted < 0 || plan->targets[i] < wanted))
                wanted = plan->targets[i];
        if (wanted < 0) break;
        if (wanted > next) STEP("close", syscall(SYS_close_range, next, wanted - 1, 0));
        next = wanted + 1;
    }
    STEP("close", syscall(SYS_close_range, next, ~0U, 0));
    if (plan->umask >= 0) umask((mode_t)plan->umask);
    if (plan->core_limit >= 0) {
        struct rlimit limit = {(rlim_t)plan->core_limit, (rlim_t)plan->core_limit};
        STEP("core-limit", setrlimit(RLIMIT_CORE, &limit));
    }
    if (plan->files_limit >= 0) {
        struct rlimit limit = {(rlim_t)plan->files_limit, (rlim_t)plan->files_limit};
        STEP("files-limit", setrlimit(RLIMIT_NOFILE, &limit));
    }
    if (plan->gid >= 0) {
        STEP("setgroups", syscall(SYS_setgroups, 0, NULL));
        STEP("setresgid", syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid));
    }
    if (plan->uid >= 0)
        STEP("setresuid", syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid));
    // A change of uid clears the death signal; ask again.
    if (plan->parent_death_signal)
        STEP("parent-death-signal", prctl(PR_SET_PDEATHSIG, plan->parent_death_signal, 0, 0, 0));
    if (plan->no_new_privileges) STEP("no-new-privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (plan->directory) STEP("chdir", chdir(plan->directory));
    if (plan->pid_variable)
        for (char *const *entry = plan->environment; *entry; entry++)
            if (strncmp(*entry, "LISTEN_PID=", 11) == 0) write_pid(*entry + 11, getpid());
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(plan->path, plan->arguments, plan->environment);
    failed->step = "exec";
    failed->code = errno;
    _exit(127);
}

pid_t celaut_spawn(const struct celaut_spawn *plan, const char **step) {
    // LIMIT: 2,048 descriptors for a child; a service manager hands back at most 1,024 kept ones.
    *step = "descriptors";
    if (plan->count > 2048) {
        errno = E2BIG;
        return -1;
    }
    int *high = malloc((plan->count + 1) * sizeof(int));
    if (high == NULL) return -1;
    // Sources move above every target first, so that no dup2 overwrites one still needed.
    int floor = 3;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->targets[i] >= floor) floor = plan->targets[i] + 1;
    size_t made = 0;
    int code = 0;
    for (; made < plan->count; made++) {
        high[made] = fcntl(plan->sources[made], F_DUPFD_CLOEXEC, floor);
        if (high[made] < 0) {
            code = errno;
            break;
        }
    }
    struct failure failed = {0, NULL};
    pid_t pid = -1;
    if (code == 0) {
        // No handler of the parent may run in the child, on the parent's memory.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = vfork();
        if (pid == 0) become(plan, high, &failed);
        code = pid < 0 ? errno : failed.code;
        *step = pid < 0 ? "vfork" : failed.step;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    for (size_t i = 0; i < made; i++) close(high[i]);
    free(high);
    if (code == 0) return pid;
    if (pid > 0) waitpid(pid, NULL, 0);
    errno = code;
    return -1;
}
