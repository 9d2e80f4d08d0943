// Takes terminals and uses them, as a shell's host would; prints a line for each thing it tried.
//
//   terminals        opens one, types through it, asks what must be refused
//   terminals many   opens as many as there are

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void tell(const char *what, long result) {
    printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
    fflush(stdout);
}

static int many(void) {
    int count = 0;
    while (posix_openpt(O_RDWR | O_NOCTTY) >= 0) count++;
    printf("opened %d then %s\n", count, strerrorname_np(errno));
    return 0;
}

int main(int count, char **arguments) {
    (void)arguments;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1 || getenv("MANY")) return many();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    tell("open", master);
    if (master < 0) return 0;
    tell("unlock", unlockpt(master));
    const char *name = ptsname(master);
    printf("name %s\n", name ? name : "none");
    int terminal = open(name ? name : "/dev/pts/0", O_RDWR | O_NOCTTY);
    tell("open-terminal", terminal);
    struct winsize size = {.ws_row = 33, .ws_col = 99};
    tell("set-size", ioctl(master, TIOCSWINSZ, &size));
    memset(&size, 0, sizeof size);
    tell("size", ioctl(terminal, TIOCGWINSZ, &size));
    printf("rows %d\n", size.ws_row);
    struct termios settings;
    tell("settings", tcgetattr(terminal, &settings));
    settings.c_lflag &= ~(tcflag_t)ECHO;
    tell("set", tcsetattr(terminal, TCSANOW, &settings));
    char text[32] = "";
    if (write(master, "typed\n", 6) == 6 && read(terminal, text, sizeof text - 1) > 0)
        printf("read %s", text);
    fflush(stdout);
    if (fork() == 0) {
        setsid();
        tell("take", ioctl(terminal, TIOCSCTTY, 0));
        // Into one's own is the case that older kernels allow.
        char letter = 'x';
        tell("type-for-others", ioctl(terminal, TIOCSTI, &letter));
        tell("type-wide", syscall(SYS_ioctl, terminal, 0x100000000UL | TIOCSTI, &letter));
        tell("paste", ioctl(terminal, TIOCLINUX, "\3"));
        tell("console", ioctl(terminal, TIOCCONS, 0));
        tell("discipline", ioctl(terminal, TIOCSETD, &(int){3}));
        tell("exclusive", ioctl(terminal, TIOCEXCL, 0));
        _exit(0);
    }
    wait(NULL);
    return 0;
}
