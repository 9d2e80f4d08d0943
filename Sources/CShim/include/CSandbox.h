// What launching an instance needs of the kernel and the C library has no wrapper for: namespaces,
// the mount API by descriptors, loop devices, capabilities, seccomp.
#pragma once

#include <linux/capability.h>
#include <linux/if.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// A clone of this process in new namespaces. 0 in the child; the pid and *pidfd in the parent.
// `cgroup` is a cgroup v2 directory the child is born in, or -1.
static inline pid_t celaut_clone(uint64_t namespaces, int cgroup, int *pidfd) {
    struct clone_args arguments;
    memset(&arguments, 0, sizeof arguments);
    arguments.flags = namespaces;
    arguments.exit_signal = SIGCHLD;
    if (pidfd) {
        arguments.flags |= CLONE_PIDFD;
        arguments.pidfd = (uint64_t)(uintptr_t)pidfd;
    }
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static inline int celaut_unshare(int namespaces) { return (int)syscall(SYS_unshare, namespaces); }

// --- mounts --------------------------------------------------------------------------------------

static inline int celaut_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, 1); }

static inline int celaut_fsconfig(
    int fs, unsigned command, const char *key, const void *value, int aux) {
    return (int)syscall(SYS_fsconfig, fs, command, key, value, aux);
}

static inline int celaut_fsmount(int fs, unsigned attributes) {
    return (int)syscall(SYS_fsmount, fs, 1, attributes);
}

static inline int celaut_open_tree(int at, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, at, path, flags);
}

static inline int celaut_move_mount(int mount, int at, const char *path) {
    // 4: MOVE_MOUNT_F_EMPTY_PATH
    return (int)syscall(SYS_move_mount, mount, "", at, path, 4);
}

static inline int celaut_mount_setattr(
    int mount, int recursive, uint64_t set, uint64_t clear, int userns) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};
    if (userns >= 0) attributes.userns_fd = (uint64_t)userns;
    return (int)syscall(
        SYS_mount_setattr, mount, "", 0x1000 | (recursive ? 0x8000 : 0), &attributes,
        sizeof attributes);
}

static inline int celaut_pivot_root(const char *new_root, const char *old) {
    return (int)syscall(SYS_pivot_root, new_root, old);
}

int celaut_mount_private(void);
int celaut_detach(const char *path);
int celaut_mount_propagation_slave(void);

static const unsigned celaut_fsconfig_flag = 0;
static const unsigned celaut_fsconfig_string = 1;
static const unsigned celaut_fsconfig_fd = 5;
static const unsigned celaut_fsconfig_create = 6;
static const unsigned celaut_mount_attr_rdonly = 0x1;
static const unsigned celaut_mount_attr_nosuid = 0x2;
static const unsigned celaut_mount_attr_nodev = 0x4;
static const unsigned celaut_mount_attr_noexec = 0x8;
static const unsigned celaut_mount_attr_noatime = 0x10;
static const unsigned celaut_mount_attr_idmap = 0x100000;
static const unsigned celaut_mount_attr_nosymfollow = 0x200000;
static const unsigned celaut_open_tree_clone = 1 | 02000000 | 0x1000;
static const unsigned celaut_open_tree_clone_path = 1 | 02000000;

// --- loop devices --------------------------------------------------------------------------------

static inline int celaut_loop_free(int control) { return ioctl(control, LOOP_CTL_GET_FREE); }

static inline int celaut_loop_configure(int device, int file, int direct) {
    struct loop_config plan;
    memset(&plan, 0, sizeof plan);
    plan.fd = (unsigned)file;
    plan.block_size = 4096;
    plan.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0);
    return ioctl(device, LOOP_CONFIGURE, &plan);
}

// --- identity and confinement --------------------------------------------------------------------

static inline int celaut_become(uint32_t uid, uint32_t gid) {
    if (syscall(SYS_setgroups, 0, NULL) != 0) return -1;
    if (syscall(SYS_setresgid, gid, gid, gid) != 0) return -1;
    return (int)syscall(SYS_setresuid, uid, uid, uid);
}

// Exactly these capabilities stay permitted and effective; none are inherited.
static inline int celaut_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        uint32_t half = (uint32_t)(kept >> (32 * i));
        data[i].permitted = data[i].effective = half;
        data[i].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, data);
}

static inline int celaut_drop_bounding(int capability) {
    return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static inline int celaut_clear_ambient(void) {
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static inline int celaut_secure_bits(unsigned bits) {
    return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
}

// The filter as struct sock_filter entries of 8 bytes.
int celaut_seccomp(const void *filter, uint16_t entries);

// Landlock: its calls have no wrapper, and its structures are longer than older headers know.
static inline int celaut_landlock_version(void) {
    // 1: LANDLOCK_CREATE_RULESET_VERSION
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

// `bytes`: how much of the three words this kernel's version knows.
static inline int celaut_landlock_ruleset(
    uint64_t files, uint64_t network, uint64_t scopes, size_t bytes) {
    uint64_t words[3] = {files, network, scopes};
    return (int)syscall(SYS_landlock_create_ruleset, words, bytes, 0);
}

static inline int celaut_landlock_allow(int ruleset, uint64_t files, int directory) {
    struct { uint64_t files; int32_t directory; } __attribute__((packed)) rule = {files, directory};
    // 1: LANDLOCK_RULE_PATH_BENEATH
    return (int)syscall(SYS_landlock_add_rule, ruleset, 1, &rule, 0);
}

static inline int celaut_landlock_restrict(int ruleset) {
    return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

static inline int celaut_new_session_keyring(void) {
    // 1: KEYCTL_JOIN_SESSION_KEYRING
    return syscall(SYS_keyctl, 1, NULL) < 0 ? -1 : 0;
}

static inline int celaut_set_host_name(const char *name, size_t bytes) {
    return (int)syscall(SYS_sethostname, name, bytes);
}

static inline int celaut_set_domain_name(const char *name, size_t bytes) {
    return (int)syscall(SYS_setdomainname, name, bytes);
}

int celaut_loopback_up(void);
// A second address of the loopback; every address of its network is then local.
int celaut_loopback_add(uint32_t address, uint32_t mask);
void celaut_default_signals(void);

static inline int celaut_close_from(unsigned first) {
    return (int)syscall(SYS_close_range, first, ~0U, 0);
}

static inline int celaut_close_between(unsigned first, unsigned last) {
    return (int)syscall(SYS_close_range, first, last, 0);
}

int celaut_make_node(int at, const char *name, unsigned major, unsigned minor);
