/* Other processes, other users, other instances. */
#include "hostile.h"
#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/uio.h>

static pid_t sleeper(void) {
    pid_t child = fork();
    if (child == 0)
        for (;;) pause();
    return child;
}

static void trace(void) {
    pid_t child = sleeper();
    REFUSED(ptrace(PTRACE_ATTACH, 1, 0, 0));
    REFUSED(ptrace(PTRACE_SEIZE, 1, 0, 0));
    REFUSED(ptrace(PTRACE_SEIZE, child, 0, 0));
    REFUSED(ptrace(PTRACE_TRACEME, 0, 0, 0));
    REFUSED(syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
    kill(child, SIGKILL);
}

static void memory_of_others(void) {
    char text[16];
    struct iovec here = {text, sizeof text}, there = {(void *)0x400000, sizeof text};
    pid_t child = sleeper();
    REFUSED(process_vm_readv(1, &here, 1, &there, 1, 0));
    REFUSED(process_vm_writev(1, &here, 1, &there, 1, 0));
    REFUSED(process_vm_readv(child, &here, 1, &there, 1, 0));
    REFUSED(syscall(SYS_move_pages, 1, 0, 0, 0, 0, 0));
    REFUSED(syscall(SYS_migrate_pages, 1, 0, 0, 0));
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    REFUSED(syscall(440 /* process_madvise */, init, &there, 1, 21, 0));
    REFUSED(syscall(448 /* process_mrelease */, init, 0));
    refused_open("/proc/1/mem", O_RDWR);
    refused_open("/proc/1/pagemap", O_RDONLY);
    refused_open("/proc/1/syscall", O_RDONLY);
    refused_open("/proc/1/stack", O_RDONLY);
    kill(child, SIGKILL);
}

static void descriptors_of_others(void) {
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    pid_t child = sleeper();
    int own = (int)syscall(SYS_pidfd_open, child, 0);
    HOLDS(own >= 0);
    for (int fd = 0; fd < 16; fd++) REFUSED(syscall(438 /* pidfd_getfd */, init, fd, 0));
    REFUSED(syscall(438, own, 1, 0));
    kill(child, SIGKILL);
}

static void signals(void) {
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    for (int number = 1; number < 32; number++) {
        if (number == SIGCHLD || number == SIGCONT) continue;
        REFUSED(kill(1, number));
    }
    REFUSED(syscall(SYS_pidfd_send_signal, init, SIGKILL, NULL, 0));
    REFUSED(syscall(SYS_tgkill, 1, 1, SIGKILL));
    siginfo_t info = {.si_code = SI_QUEUE, .si_signo = SIGUSR1};
    REFUSED(syscall(SYS_rt_sigqueueinfo, 1, SIGUSR1, &info));
    /* Every number there is on the host: none but its own are anybody here. */
    int reached = 0;
    for (pid_t pid = 1; pid < 70000; pid++)
        if (pid != getpid() && kill(pid, SIGKILL) == 0) reached++;
    HOLDS(reached == 0);
    /* Everybody that may be signalled, which is nobody but this process, which is left out. */
    REFUSED(kill(-1, SIGKILL));
}

static int seen_processes(void) {
    int count = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') count++;
    if (folder) closedir(folder);
    return count;
}

/* Looks for what another instance said, wherever it could be. */
static void search(const char *folder, int depth, const char *wanted) {
    static char text[1 << 16];
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        char path[512];
        struct stat status;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) continue;
        if (lstat(path, &status)) continue;
        if (S_ISDIR(status.st_mode) && depth > 0) search(path, depth - 1, wanted);
        if (!S_ISREG(status.st_mode) || strstr(path, "environ")) continue;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text);
        if (length > 0 && memmem(text, (size_t)length, wanted, strlen(wanted))) {
            printf("found in %s\n", path);
            HOLDS(!"what another said was found");
        }
        if (fd >= 0) close(fd);
    }
    if (open_folder) closedir(open_folder);
}

static void other_output(void) {
    HOLDS(seen_processes() == 1);
    search("/", 3, asked("SECRET"));
    refused_open("/proc/1/fd/1", O_RDONLY);
    refused_open("/proc/1/fd/4", O_RDONLY);
}

static void ipc_of_host(void) {
    int key = atoi(asked("KEY")), identity = atoi(asked("IDENTITY"));
    REFUSED(shmget(key, 4096, 0));
    errno = 0;
    HOLDS(shmat(identity, NULL, 0) == (void *)-1 && (errno == EINVAL || errno == EACCES));
    REFUSED(mq_open(asked("QUEUE"), O_RDONLY));
    char path[128];
    snprintf(path, sizeof path, "/dev/shm%s", asked("QUEUE"));
    refused_open(path, O_RDONLY);
    HOLDS(msgget(1, IPC_CREAT | 0600) >= 0); /* its own namespace serves it */
}

static void become_another(void) {
    REFUSED(setuid(1000) == 0 ? 0 : errno == EINVAL ? (errno = EPERM, -1) : -1);
    REFUSED(setresuid(65534, 65534, 65534));
    REFUSED(setgid(1));
    REFUSED(setresgid(1, 1, 1));
    gid_t group = 0;
    REFUSED(setgroups(1, &group));
    HOLDS(getgroups(0, NULL) == 0);
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct all[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
    REFUSED(syscall(SYS_capset, &head, all));
    for (int capability = 0; capability < 41; capability++) {
        HOLDS(prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 0);
        REFUSED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0));
    }
    REFUSED(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    HOLDS(status_field("CapEff", 16) == 0 && status_field("CapPrm", 16) == 0);
}

static int tell_rights(void) {
    return getuid() == 0 && geteuid() == 0 && getegid() == 0 && status_field("CapEff", 16) == 0 &&
                   status_field("CapPrm", 16) == 0 && status_field("NoNewPrivs", 10) == 1 &&
                   status_field("Seccomp", 10) == 2 && unshare(CLONE_NEWUSER) == -1
               ? 0 : 1;
}

static int executed(int fd) {
    int status = -1;
    pid_t child = fork();
    char *arguments[] = {"again", NULL}, *environment[] = {"ATTACK=rights", NULL};
    if (child == 0) {
        syscall(SYS_execveat, fd, "", arguments, environment, AT_EMPTY_PATH);
        _exit(100 + errno);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Programs that would run with more than their maker has. */
static void setuid_programs(void) {
    struct stat status;
    int packed = open("/bin/as-root", O_RDONLY | O_CLOEXEC);
    HOLDS(packed >= 0 && executed(packed) == 0);
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int copy = open("/tmp/copy", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    static char block[1 << 16];
    for (ssize_t got; (got = read(self, block, sizeof block)) > 0;)
        if (write(copy, block, (size_t)got) != got) HOLDS(!"the copy is whole");
    HOLDS(fchmod(copy, 06755) == 0 && fstat(copy, &status) == 0);
    static const unsigned char capabilities[20] = {0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255};
    REFUSED(syscall(SYS_fsetxattr, copy, "security.capability", capabilities, 20, 0));
    close(copy);
    copy = open("/tmp/copy", O_RDONLY | O_CLOEXEC);
    HOLDS(executed(copy) == 0);
    REFUSED(chown("/tmp/copy", 1, 1));
    REFUSED(chown("/tmp/copy", 65533, (gid_t)-1));
}

static void rights(void) { _exit(tell_rights()); }

static void memory_programs(void) {
    int memory = memfd_create("program", MFD_CLOEXEC);
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    static char block[1 << 16];
    HOLDS(memory >= 0 && self >= 0);
    for (ssize_t got; (got = read(self, block, sizeof block)) > 0;)
        if (write(memory, block, (size_t)got) != got) HOLDS(!"the copy is whole");
    close(self);
    fchmod(memory, 06755);
    HOLDS(executed(memory) == 0);
}

const struct attack others[] = {
    {"ptrace", trace}, {"memory-of-others", memory_of_others},
    {"descriptors-of-others", descriptors_of_others}, {"signals", signals},
    {"output-of-others", other_output}, {"ipc-of-the-host", ipc_of_host},
    {"become-another", become_another}, {"setuid-programs", setuid_programs},
    {"memory-programs", memory_programs}, {"rights", rights}, {0}};
