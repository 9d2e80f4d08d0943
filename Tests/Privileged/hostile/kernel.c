/* Parts of the kernel that a service has no use for, and clocks, names and priorities of the machine. */
#include "hostile.h"
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static void keys(void) {
    REFUSED(syscall(SYS_add_key, "user", "hostile", "x", 1, -3));
    REFUSED(syscall(SYS_add_key, "user", "hostile", "x", 1, -4));
    REFUSED(syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3, 0));
    REFUSED(syscall(SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, 0));
    REFUSED(syscall(SYS_keyctl, 11 /* READ */, -5, 0, 0));
    REFUSED(syscall(SYS_request_key, "user", "hostile", "x", -3));
    refused_open("/proc/keys", O_RDWR);
}

static void bpf(void) {
    struct bpf_insn code[] = {{.code = 0xb7}, {.code = 0x95}};
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2,
                           .insns = (uintptr_t)code, .license = (uintptr_t) "GPL"};
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8,
                          .max_entries = 1};
    REFUSED(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load));
    REFUSED(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
    REFUSED(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &map, sizeof map));
}

static void perf(void) {
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event,
                                    .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
    REFUSED(syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
    REFUSED(syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
}

static void userfaults(void) {
    REFUSED(syscall(SYS_userfaultfd, O_CLOEXEC));
    REFUSED(syscall(SYS_userfaultfd, 1 /* user mode only */));
    refused_open("/dev/userfaultfd", O_RDWR);
}

static void io_uring(void) {
    char parameters[120] = {0};
    REFUSED(syscall(425, 8, parameters));
    REFUSED(syscall(426, 0, 1, 1, 0, NULL, 0));
    REFUSED(syscall(427, -1, 13, parameters, 1)); /* IORING_REGISTER without a ring */
}

static void machine(void) {
    REFUSED(reboot(RB_AUTOBOOT));
    REFUSED(reboot(RB_DISABLE_CAD));
    REFUSED(syscall(SYS_kexec_load, 0, 0, NULL, 0));
    REFUSED(syscall(SYS_kexec_file_load, -1, -1, 0, "", 0));
    REFUSED(syscall(SYS_init_module, "", 0, ""));
    REFUSED(syscall(SYS_finit_module, 0, "", 0));
    REFUSED(syscall(SYS_delete_module, "ext4", O_NONBLOCK));
    REFUSED(swapon("/etc/shared", 0));
    REFUSED(swapoff("/etc/shared"));
    REFUSED(acct("/tmp/account"));
    REFUSED(syscall(SYS_syslog, 3, "", 0));
    REFUSED(syscall(SYS_syslog, 5, "", 0));
    REFUSED(syscall(SYS_iopl, 3));
    REFUSED(syscall(SYS_ioperm, 0x80, 1, 1));
    REFUSED(syscall(SYS_modify_ldt, 1, "", 16));
    REFUSED(syscall(SYS_vhangup));
    REFUSED(syscall(SYS_lookup_dcookie, 0, "", 0));
    REFUSED(syscall(SYS_uselib, "/etc/shared"));
    refused_open("/dev/mem", O_RDWR);
    refused_open("/dev/kmsg", O_RDWR);
    refused_open("/dev/kvm", O_RDWR);
    refused_open("/dev/fuse", O_RDWR);
    refused_open("/dev/loop-control", O_RDWR);
    refused_open("/dev/cpu/0/msr", O_RDWR);
}

static void quotas(void) {
    char about[256] = {0};
    REFUSED(quotactl(QCMD(Q_GETINFO, USRQUOTA), "/dev/loop0", 0, about));
    REFUSED(quotactl(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
    REFUSED(quotactl(QCMD(Q_QUOTAON, USRQUOTA), "/dev/vda", 2, "/tmp/quota"));
    REFUSED(syscall(443 /* quotactl_fd */, 0, QCMD(Q_SYNC, USRQUOTA), 0, NULL));
}

static void fanotify(void) {
    REFUSED(syscall(SYS_fanotify_init, 0, O_RDONLY));
    REFUSED(syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY));
    REFUSED(syscall(SYS_fanotify_mark, 0, 1, 1, AT_FDCWD, "/"));
}

static void kernel_files(void) {
    static const char *const paths[] = {
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/domainname", "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/panic", "/proc/sys/kernel/sysrq",
        "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/file-max",
        "/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ping_group_range",
        "/proc/sys/user/max_user_namespaces", "/proc/sysrq-trigger", "/proc/irq/0/smp_affinity",
        "/proc/bus/pci/devices", "/proc/mtrr", "/proc/fs/ext4", "/proc/scsi/scsi",
        "/proc/timer_list", "/proc/kcore", "/proc/kpagecount", "/proc/latency_stats",
        "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent",
        "/sys/kernel/mm/ksm/run", "/sys/power/state", "/proc/self/uid_map", "/proc/self/gid_map",
        "/proc/self/timens_offsets"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char what[128];
        int fd = open(paths[i], O_WRONLY | O_CLOEXEC);
        snprintf(what, sizeof what, "write %s", paths[i]);
        const char *text = strstr(paths[i], "_map")      ? "0 0 1\n"
                           : strstr(paths[i], "_offsets") ? "monotonic 100 0\n"
                                                          : "1\n";
        refused(what, fd < 0 ? -1 : write(fd, text, strlen(text)));
        if (fd >= 0) close(fd);
    }
    /* What the kernel would take as less protection; more is anybody's right. */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    REFUSED(write(fd, "-1000", 5));
}

static void clocks(void) {
    struct timespec time = {1000000000, 0};
    struct timeval day = {1000000000, 0};
    struct timex adjustment = {.modes = ADJ_SETOFFSET, .time = {1, 0}};
    REFUSED(clock_settime(CLOCK_REALTIME, &time));
    REFUSED(settimeofday(&day, NULL));
    REFUSED(adjtimex(&adjustment));
    REFUSED(clock_adjtime(CLOCK_REALTIME, &adjustment));
    REFUSED(syscall(SYS_timerfd_create, 8 /* CLOCK_REALTIME_ALARM */, 0));
    refused_open("/dev/rtc0", O_RDONLY);
}

static void names(void) {
    REFUSED(sethostname("mine", 4));
    REFUSED(setdomainname("mine", 4));
    HOLDS(!strcmp(asked("HOST"), "") || ({
        char name[64];
        gethostname(name, sizeof name) == 0 && strcmp(name, asked("HOST"));
    }));
}

static void priorities(void) {
    struct sched_param highest = {.sched_priority = 99};
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } deadline = {48, 6, 0, 0, 0, 10000000, 20000000, 20000000};
    REFUSED(sched_setscheduler(0, SCHED_FIFO, &highest));
    REFUSED(sched_setscheduler(0, SCHED_RR, &highest));
    REFUSED(syscall(SYS_sched_setattr, 0, &deadline, 0));
    REFUSED(setpriority(PRIO_PROCESS, 0, -20));
    REFUSED(setpriority(PRIO_PROCESS, 1, 19));
    REFUSED(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    REFUSED(setrlimit(RLIMIT_RTPRIO, &(struct rlimit){99, 99}));
    REFUSED(setrlimit(RLIMIT_NICE, &(struct rlimit){40, 40}));
    REFUSED(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}));
}

static void personalities(void) {
    REFUSED(personality(ADDR_NO_RANDOMIZE));
    REFUSED(personality(READ_IMPLIES_EXEC));
    REFUSED(personality(PER_LINUX32));
    REFUSED(personality(ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO));
    REFUSED(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

#ifdef __x86_64__
static long int80(long number, long first, long second, long third) {
    long result;
    /* The address must fit into 32 bits: a static program's does. */
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third)
                     : "memory");
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static void other_tables(void) {
    static char where[] = "/tmp", kind[] = "tmpfs";
    REFUSED_OR_KILLED(int80(20 /* getpid */, 0, 0, 0));
    REFUSED_OR_KILLED(int80(21 /* mount */, (long)kind, (long)where, (long)kind));
    REFUSED_OR_KILLED(int80(310 /* unshare */, CLONE_NEWUSER, 0, 0));
    REFUSED_OR_KILLED(int80(26 /* ptrace */, 0, 0, 0));
    REFUSED_OR_KILLED(int80(359 /* socket */, 17, 3, 0));
    REFUSED_OR_KILLED(int80(61 /* chroot */, (long)where, 0, 0));
    for (long number = 512; number < 548; number++) {
        /* The x32 table, of the other numbers as well. */
        REFUSED_OR_KILLED(syscall(0x40000000 | number, 0, 0, 0, 0, 0, 0));
    }
    REFUSED_OR_KILLED(syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER));
    REFUSED_OR_KILLED(syscall(0x40000000 | SYS_getpid));
}
#else
static void other_tables(void) { HOLDS(1); }
#endif

/* Ids in a new user namespace can be mapped once: that was done. */
static void id_maps(void) {
    static const char *const maps[] = {"uid_map", "gid_map", "projid_map"};
    char path[64];
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        snprintf(path, sizeof path, "/proc/self/%s", maps[i]);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            refused(path, fd);
        else
            refused(path, write(fd, "0 0 1\n", 6));
    }
}

/* Numbers that no table has yet, and the newest there are. */
static void unknown_calls(void) {
    char what[64];
    for (long number = 451; number < 1024; number++) {
        if (number == 452 || (number >= 454 && number <= 456)) continue; /* fchmodat2, futex_… */
        if (number >= 463 && number <= 466) continue; /* …xattrat, of its own files */
        snprintf(what, sizeof what, "call %ld", number);
        errno = 0;
        refused(what, syscall(number, 0, 0, 0, 0, 0, 0));
    }
}

/* A filter that allows everything takes nothing away from the one that is there. */
static void own_filter(void) {
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};
    HOLDS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    REFUSED(unshare(CLONE_NEWUSER));
    REFUSED(syscall(SYS_keyctl, 0, -3, 0));
    HOLDS(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER);
    errno = 0;
    HOLDS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1 && errno == EINVAL);
    HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

const struct attack kernel_surface[] = {
    {"keyrings", keys}, {"bpf", bpf}, {"perf-events", perf}, {"user-faults", userfaults},
    {"io-uring", io_uring}, {"machine", machine}, {"quotas", quotas}, {"fanotify", fanotify},
    {"kernel-files", kernel_files}, {"clocks", clocks}, {"names", names},
    {"priorities", priorities}, {"personality", personalities}, {"other-call-tables", other_tables},
    {"id-maps", id_maps}, {"unknown-calls", unknown_calls}, {"own-filter", own_filter}, {0}};
