/* Ways out: descriptors, roots, mounts, namespaces. */
#include "hostile.h"
#include <linux/mount.h>
#include <linux/sched.h>
#include <sys/mount.h>

static const int namespaces[] = {
    CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET,
    CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80 /* CLONE_NEWTIME */};
static const char *const names[] = {
    "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time", "pid_for_children",
    "time_for_children"};

static void descriptors(void) {
    for (int fd = 3; fd < 65536; fd++) {
        if (fcntl(fd, F_GETFD) == -1) continue;
        printf("descriptor %d\n", fd);
        HOLDS(!"a descriptor was inherited");
    }
    /* From what there is, nothing leads on. */
    struct stat status;
    HOLDS(fstat(0, &status) == 0 && S_ISCHR(status.st_mode));
    HOLDS(fstat(1, &status) == 0 && S_ISFIFO(status.st_mode));
    HOLDS(fstat(2, &status) == 0 && S_ISFIFO(status.st_mode));
    for (int fd = 0; fd < 3; fd++) HOLDS(openat(fd, "..", O_RDONLY) == -1 && errno == ENOTDIR);
    HOLDS(lseek(0, 0, SEEK_SET) == 0 && read(0, &status, 1) == 0);
}

static void roots_of_others(void) {
    static const char *const paths[] = {
        "/proc/1/root", "/proc/1/cwd", "/proc/1/exe", "/proc/1/fd/0", "/proc/1/fd/3",
        "/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/map_files", "/proc/1/ns/mnt",
        "/proc/1/root/etc/passwd", "/proc/1/task/1/root", "/proc/1/status", "/proc/1/mountinfo"};
    char text[64];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) refused_open(paths[i], O_RDONLY);
    REFUSED(readlink("/proc/1/root", text, sizeof text));
    REFUSED(readlink("/proc/1/exe", text, sizeof text));
    REFUSED(chdir("/proc/1/cwd"));
}

static void mount_old(void) {
    REFUSED(mount("none", "/tmp", "tmpfs", 0, ""));
    REFUSED(mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
    REFUSED(mount("proc", "/tmp", "proc", 0, NULL));
    REFUSED(mount("sysfs", "/tmp", "sysfs", 0, NULL));
    REFUSED(mount("cgroup2", "/tmp", "cgroup2", 0, NULL));
    REFUSED(mount("devtmpfs", "/tmp", "devtmpfs", 0, NULL));
    REFUSED(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
    REFUSED(mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
    REFUSED(mount("/dev/vda", "/tmp", "ext4", 0, NULL));
    REFUSED(umount2("/proc", MNT_DETACH));
    REFUSED(umount2("/proc/sys", MNT_DETACH));
    REFUSED(umount2("/", MNT_DETACH));
}

static void mount_new(void) {
    struct mount_attr attributes = {.attr_clr = 1 /* read-only */};
    REFUSED(syscall(430 /* fsopen */, "tmpfs", 0));
    REFUSED(syscall(430, "proc", 1));
    REFUSED(syscall(433 /* fspick */, AT_FDCWD, "/", 0));
    REFUSED(syscall(428 /* open_tree */, AT_FDCWD, "/", 1 /* CLONE */ | 0x8000));
    REFUSED(syscall(428, AT_FDCWD, "/", 0));
    REFUSED(syscall(467 /* open_tree_attr */, AT_FDCWD, "/", 1, &attributes, sizeof attributes));
    REFUSED(syscall(429 /* move_mount */, AT_FDCWD, "/etc", AT_FDCWD, "/tmp", 0));
    REFUSED(syscall(442 /* mount_setattr */, AT_FDCWD, "/proc/sys", 0, &attributes,
                    sizeof attributes));
    REFUSED(syscall(432 /* fsmount */, 0, 0, 0));
    REFUSED(syscall(431 /* fsconfig */, 0, 6, NULL, NULL, 0));
    REFUSED(syscall(457 /* statmount */, &attributes, &attributes, sizeof attributes, 0));
    REFUSED(syscall(458 /* listmount */, &attributes, &attributes, 1, 0));
}

static void unshare_all(void) {
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
        REFUSED(unshare(namespaces[i]));
    REFUSED(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET));
}

static void setns_all(void) {
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        HOLDS(fd >= 0 || errno == EACCES || errno == ENOENT);
        REFUSED(setns(fd, 0));
        snprintf(path, sizeof path, "/proc/1/ns/%s", names[i]);
        refused_open(path, O_RDONLY);
    }
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    REFUSED(setns(self, CLONE_NEWNS | CLONE_NEWNET));
    REFUSED(setns(init, CLONE_NEWNS | CLONE_NEWUSER));
    /* NS_GET_USERNS and NS_GET_PARENT, which give descriptors of namespaces further out. */
    int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    REFUSED(syscall(SYS_ioctl, own, 0xB701, 0));
    REFUSED(syscall(SYS_ioctl, own, 0xB702, 0));
}

static void clone_flags(void) {
    /* All but the last: its bit belongs to the exit signal in this call. */
    for (size_t i = 0; i + 1 < sizeof namespaces / sizeof *namespaces; i++)
        REFUSED(syscall(SYS_clone, namespaces[i] | SIGCHLD, 0, 0, 0, 0));
    /* The filter sees 64 bits, the kernel 32. */
    REFUSED(syscall(SYS_clone, (unsigned long)CLONE_NEWUSER | SIGCHLD | 1ul << 40, 0, 0, 0, 0));
}

static void clone3_flags(void) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        arguments.flags = (unsigned long)namespaces[i];
        REFUSED(syscall(SYS_clone3, &arguments, sizeof arguments));
    }
    arguments.flags = CLONE_INTO_CGROUP;
    REFUSED(syscall(SYS_clone3, &arguments, sizeof arguments));
    arguments.flags = 0;
    REFUSED(syscall(SYS_clone3, &arguments, sizeof arguments));
}

static void chroot_escape(void) {
    mkdir("/tmp/inner", 0700);
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REFUSED(chroot("/tmp/inner"));
    REFUSED(chroot("/"));
    HOLDS(fchdir(root) == 0);
    struct stat here, above;
    for (int i = 0; i < 64; i++) HOLDS(chdir("..") == 0);
    HOLDS(stat(".", &here) == 0 && stat("/", &above) == 0 && here.st_ino == above.st_ino &&
          here.st_dev == above.st_dev);
    REFUSED(syscall(SYS_pivot_root, ".", "."));
    REFUSED(syscall(SYS_pivot_root, "/tmp", "/tmp/inner"));
}

/* A directory renamed out of the one that another process climbs in: the parents of what was outside
 * at that moment are those of the other side. */
static void climbing_race(void) {
    struct stat root, here;
    stat("/", &root);
    mkdir("/tmp/a", 0700);
    mkdir("/tmp/a/b", 0700);
    mkdir("/tmp/a/b/c", 0700);
    pid_t mover = fork();
    if (mover == 0)
        for (;;) {
            rename("/tmp/a/b/c", "/tmp/c");
            rename("/tmp/c", "/tmp/a/b/c");
        }
    int out = 0;
    for (int i = 0; i < 20000 && !out; i++) {
        if (chdir("/tmp/a/b/c")) continue;
        for (int up = 0; up < 8; up++)
            if (chdir("..")) break;
        if (stat(".", &here) == 0 && (here.st_dev != root.st_dev || here.st_ino != root.st_ino) &&
            access("./first-of-the-host", F_OK) == 0)
            out = 1;
        int fd = open("../../../../../../etc/hostname", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) out = 1;
    }
    kill(mover, SIGKILL);
    waitpid(mover, NULL, 0);
    HOLDS(!out);
}

static void handles(void) {
    struct {
        struct file_handle handle;
        unsigned char bytes[128];
    } found = {.handle = {.handle_bytes = 128}};
    int id = 0;
    REFUSED(name_to_handle_at(AT_FDCWD, "/", &found.handle, &id, 0));
    /* The root directory of an ext4: inode 2 */
    found.handle.handle_bytes = 8;
    found.handle.handle_type = 1;
    memcpy(found.handle.f_handle, "\2\0\0\0\0\0\0\0", 8);
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REFUSED(open_by_handle_at(root, &found.handle, O_RDONLY));
}

const struct attack escapes[] = {
    {"descriptors", descriptors}, {"roots-of-others", roots_of_others}, {"mount", mount_old},
    {"mount-by-descriptors", mount_new}, {"unshare", unshare_all}, {"setns", setns_all},
    {"clone", clone_flags}, {"clone3", clone3_flags}, {"chroot", chroot_escape},
    {"climbing-race", climbing_race}, {"file-handles", handles}, {0}};
