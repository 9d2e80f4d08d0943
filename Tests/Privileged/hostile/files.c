/* What lies below the instance's root, devices, terminals. */
#include "hostile.h"
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* The file that every instance of the box shares; its content must stay what it was. */
#define SHARED "/etc/shared"
static const char content[] = "the same for all\n";

static int intact(const char *path) {
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, text, sizeof text);
    close(fd);
    return length == sizeof content - 1 && !memcmp(text, content, sizeof content - 1);
}

static void shared_objects(void) {
    char link[64];
    int fd = open(SHARED, O_RDONLY | O_CLOEXEC);
    HOLDS(fd >= 0 && intact(SHARED));
    REFUSED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    void *readable = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    HOLDS(readable != MAP_FAILED);
    REFUSED(mprotect(readable, 4096, PROT_READ | PROT_WRITE));
    HOLDS(write(fd, "x", 1) == -1 && errno == EBADF);
    HOLDS(ftruncate(fd, 0) == -1 && (errno == EINVAL || errno == EBADF));
    HOLDS(fallocate(fd, 3, 0, 1) == -1);
    REFUSED(setxattr(SHARED, "trusted.overlay.redirect", "/", 1, 0));
    REFUSED(setxattr(SHARED, "trusted.overlay.metacopy", "", 0, 0));
    static const unsigned char capability[20] = {0, 0, 0, 2, 255, 255, 255, 255};
    REFUSED(setxattr(SHARED, "security.capability", capability, sizeof capability, 0));
    /* Pages of the lower file in a pipe, which a flaw once let be written. */
    int pipes[2];
    HOLDS(pipe2(pipes, O_CLOEXEC) == 0);
    loff_t start = 0;
    HOLDS(splice(fd, &start, pipes[1], NULL, 1, 0) == 1 || errno == EINVAL || errno == EPERM);
    HOLDS(write(pipes[1], "X", 1) == 1);
    HOLDS(intact(SHARED));
    /* The same open file again, to write: that must be a copy of its own. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = open(link, O_RDWR | O_CLOEXEC);
    HOLDS(again >= 0 && pwrite(again, "MINE", 4, 0) == 4);
    HOLDS(intact(SHARED) == 0);
    HOLDS(!memcmp(readable, content, 4));
}

/* A private mapping thrown away again and again while it is written to. */
static void copy_on_write_race(void) {
    int fd = open(SHARED, O_RDONLY | O_CLOEXEC);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    pid_t thrower = (pid_t)fork();
    if (thrower == 0)
        for (;;) madvise(page, 4096, MADV_DONTNEED);
    int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 20000 && memory >= 0; i++) {
        if (pwrite(memory, "MINE", 4, (off_t)(uintptr_t)page) != 4) break;
        madvise(page, 4096, MADV_DONTNEED);
    }
    kill(thrower, SIGKILL);
    waitpid(thrower, NULL, 0);
    HOLDS(intact(SHARED));
}

static void own_program(void) {
    refused_open("/proc/self/exe", O_RDWR);
    refused_open("/proc/1/exe", O_RDWR);
    int fd = open("/bin/busybox", O_RDWR | O_CLOEXEC);
    HOLDS(fd >= 0 && pwrite(fd, "MINE", 4, 0) == 4); /* its own copy; the test looks at the store */
}

static void devices(void) {
    static const struct {
        const char *name;
        mode_t kind;
        unsigned major, minor;
    } all[] = {
        {"/tmp/mem", S_IFCHR, 1, 1}, {"/tmp/kmsg", S_IFCHR, 1, 11}, {"/tmp/disk", S_IFBLK, 254, 0},
        {"/dev/loop", S_IFBLK, 7, 0}, {"/dev/shm/tty", S_IFCHR, 5, 0}, {"/tmp/null", S_IFCHR, 1, 3}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        REFUSED(mknod(all[i].name, all[i].kind | 0666, makedev(all[i].major, all[i].minor)));
    REFUSED(unlink("/dev/null"));
    REFUSED(chmod("/dev/null", 0));
    REFUSED(rename("/dev/null", "/dev/full"));
    REFUSED(creat("/dev/file", 0600));
}

/* What Landlock alone takes, in the kernel's version of it that the test found, and what it leaves. */
static void landlock(void) {
    long version = atol(asked("LANDLOCK"));
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC), count;
    HOLDS(zero >= 0);
    errno = 0;
    HOLDS(ioctl(zero, FIONREAD, &count) == -1 && errno == (version >= 5 ? EACCES : ENOTTY));
    /* The mark of a layer for a file that is gone, which needs no right over devices. */
    errno = 0;
    if (version >= 2)
        HOLDS(mknod("/tmp/gone", S_IFCHR | 0600, 0) == -1 && errno == EACCES);
    char file[64];
    int nameless = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int isThere = nameless != -1 || errno != EOPNOTSUPP;
    snprintf(file, sizeof file, "/proc/self/fd/%d", nameless);
    HOLDS(mkdir("/tmp/from", 0700) == 0 && mkdir("/tmp/to", 0700) == 0);
    HOLDS(creat("/tmp/from/file", 0600) >= 0);
    HOLDS(rename("/tmp/from/file", "/tmp/to/file") == 0);
    HOLDS(link("/tmp/to/file", "/tmp/from/again") == 0);
    /* The layers of older kernels (6.1) have no files without a name. */
    if (isThere)
        HOLDS(linkat(AT_FDCWD, file, AT_FDCWD, "/tmp/to/named", AT_SYMLINK_FOLLOW) == 0);
    HOLDS(rename("/tmp/from", "/tmp/to/from") == 0);
    HOLDS(mkfifo("/tmp/to/pipe", 0600) == 0);
    HOLDS(kill(getpid(), 0) == 0 && kill(0, 0) == 0);
    REFUSED(kill(1, 0));
}

static void terminals(void) {
    char letter = '\n';
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++) {
        REFUSED(ioctl(fd, TIOCSTI, &letter));
        REFUSED(ioctl(fd, TIOCLINUX, &letter));
        REFUSED(ioctl(fd, TIOCSCTTY, 1));
        REFUSED(ioctl(fd, TIOCCONS, 0));
        /* With more in the upper half than the kernel looks at. */
        REFUSED(syscall(SYS_ioctl, fd, 1ul << 32 | TIOCSTI, &letter));
    }
    HOLDS(zero >= 0);
    REFUSED(ioctl(zero, TIOCSTI, &letter));
    refused_open("/dev/tty", O_RDWR);
    refused_open("/dev/console", O_RDWR);
    refused_open("/dev/ptmx", O_RDWR);
    refused_open("/dev/tty1", O_RDWR);
    /* Requests of a filesystem that change more than the file. */
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REFUSED(syscall(SYS_ioctl, root, 0xC0045877 /* FIFREEZE */, 0));
    REFUSED(syscall(SYS_ioctl, root, 0xC0185879 /* FITRIM */, 0));
    REFUSED(syscall(SYS_ioctl, root, 0x40086602 /* SETFLAGS */, &(int){0x10}));
    REFUSED(syscall(SYS_ioctl, root, 0x40086610 /* EXT4 RESIZE */, &(long){1}));
    REFUSED(syscall(SYS_ioctl, root, 0x8004587D /* EXT4 SHUTDOWN */, &(int){0}));
}

static void loader_tricks(void) {
    /* The box has libraries with the host's names that would leave a file when loaded. */
    struct stat status;
    HOLDS(stat("/etc/ld.so.preload", &status) == 0);
    errno = 0;
    HOLDS(stat("/loaded-by-the-node", &status) == -1 && errno == ENOENT);
    HOLDS(!getenv("LD_PRELOAD") && !getenv("LD_LIBRARY_PATH"));
}

static void links_in_the_box(void) {
    /* The configuration's path leads through links that mean to lead out. */
    char text[512] = "";
    int fd = open("/etc/out/configuration", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) (void)!read(fd, text, sizeof text - 1);
    HOLDS(!strstr(text, "root:"));
    refused_open("/etc/out/passwd", O_RDONLY);
}

const struct attack files[] = {
    {"shared-objects", shared_objects}, {"copy-on-write-race", copy_on_write_race},
    {"own-program", own_program}, {"devices", devices}, {"landlock", landlock},
    {"terminals", terminals},
    {"loader-tricks", loader_tricks}, {"links-in-the-box", links_in_the_box}, {0}};
