/* What git starts in tests in the place of our program: hands the call to a warm Python (tests/support/warmserver.py).

   Its first argument is a script that starts the program anew, in the folder of the server's sockets; the second is the
   file that named this as its interpreter. Whatever is for the start of Python itself goes to the script, and so does
   everything when no server answers. The script "own" wants the second argument, to be named by it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;
static char **given;
static volatile sig_atomic_t child = 0;

static int is_own(void) {
  const char *name = strrchr(given[1], '/');
  return name && !strcmp(name, "/own");
}

static void start_anew(void) {
  if (is_own()) execv(given[1], given + 1);
  given[2] = given[1];
  execv(given[1], given + 2);
  _exit(127);
}

static void pass_on(int number) {
  if (child > 0) kill(child, number);
}

static int starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

static int is_plain_locale(const char *name) {
  const char *value = getenv(name);
  return !value || !*value || !strcmp(value, "C") || !strcmp(value, "C.UTF-8");
}

/* A socket that is handed to an agent, or where it says that it is ready: the server passes on three streams alone. */
static int has_more_descriptors(void) {
  long most = sysconf(_SC_OPEN_MAX); /* whoever has many files open passes on one of a high number */
  for (int at = 3; at < most && at < 4096; at++)
    if (fcntl(at, F_GETFD) >= 0) return 1;
  return 0;
}

/* What is forked from the server has no terminal to ask a person on. */
static int has_terminal(void) {
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) close(terminal);
  return terminal >= 0;
}

/* As _can_be_warm and _own_argv of tests/support/warm.py have it. */
static int can_be_warm(int count) {
  static const char *const of_libraries[] = {"PYTHON", "LD_", "FAKETIME", "OPENSSL_", "MALLOC_"};
  static const char *const lasting[] = {"demo", "login", "stack"};
  for (char **one = environ; *one; one++) {
    if (!strcmp(*one, "PYTHONPATH=" ROOT) || !strcmp(*one, "PYTHONUNBUFFERED=1")) continue;
    for (size_t at = 0; at < sizeof of_libraries / sizeof *of_libraries; at++)
      if (starts_with(*one, of_libraries[at])) return 0;
  }
  for (size_t at = 0; count > 3 && at < sizeof lasting / sizeof *lasting; at++)
    if (!strcmp(given[3], lasting[at])) return 0;
  if (count > 3 && !strcmp(given[3], "agent") && has_more_descriptors()) return 0;
  if (is_own() && has_terminal()) return 0;
  return is_plain_locale("LC_ALL") && is_plain_locale("LC_CTYPE") && is_plain_locale("LANG");
}

static char *body;
static size_t size, room;

static void add(const char *text) {
  size_t length = strlen(text) + 1;
  while (size + length > room) {
    room = room ? 2 * room : 1 << 16;
    body = realloc(body, room);
    if (!body) start_anew();
  }
  memcpy(body + size, text, length);
  size += length;
}

static void add_number(long number) {
  char text[32];
  snprintf(text, sizeof text, "%ld", number);
  add(text);
}

/* The request of warmserver.py: number of arguments, then text after text, each with a zero byte. */
static void write_request(int count) {
  char cwd[4096], *own = strdup(given[1]);
  mode_t mask = umask(022);
  umask(mask);
  if (!getcwd(cwd, sizeof cwd)) start_anew();
  add_number(mask);
  add("0");
  add_number(getppid());
  add(cwd);
  add_number(count - 2);
  add(is_own() ? given[2] : basename(own));
  for (int at = 3; at < count; at++) add(given[at]);
  for (char **one = environ; *one; one++) add(*one);
}

static int connected(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char *own = strdup(given[1]);
  const char *name = getenv("COVERAGE_PROCESS_CONFIG") ? "measured" : "plain";
  if (snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dirname(own), name) >= (int)sizeof address.sun_path)
    start_anew();
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof address)) start_anew();
  return server;
}

static void send_streams(int server) {
  unsigned char head[8];
  for (int at = 0; at < 8; at++) head[at] = (uint64_t)size >> (56 - 8 * at);
  struct iovec part = {head, sizeof head};
  union {
    char room[CMSG_SPACE(3 * sizeof(int))];
    struct cmsghdr aligned;
  } control = {{0}};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(3 * sizeof(int));
  memcpy(CMSG_DATA(rights), (int[]){0, 1, 2}, 3 * sizeof(int));
  if (sendmsg(server, &message, MSG_NOSIGNAL) != sizeof head) start_anew(); /* one of the streams is closed, say */
}

static long number_from(int server) {
  char text[32];
  size_t at = 0;
  while (at < sizeof text - 1) {
    ssize_t got = read(server, text + at, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(70);
    if (text[at] == '\n') break;
    at++;
  }
  text[at] = 0;
  return strtol(text, NULL, 10);
}

int main(int count, char **arguments) {
  given = arguments;
  if (count < 3) return 127;
  if (!can_be_warm(count)) start_anew();
  int server = connected();
  write_request(count);
  send_streams(server);
  for (size_t at = 0; at < size;) {
    ssize_t sent = send(server, body + at, size - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) _exit(70);
    at += sent;
  }
  sigset_t passed_on;
  sigemptyset(&passed_on);
  for (size_t at = 0; at < 4; at++) sigaddset(&passed_on, (int[]){SIGHUP, SIGINT, SIGQUIT, SIGTERM}[at]);
  sigprocmask(SIG_BLOCK, &passed_on, NULL); /* until it is known where to */
  for (size_t at = 0; at < 4; at++) signal((int[]){SIGHUP, SIGINT, SIGQUIT, SIGTERM}[at], pass_on);
  for (int stream = 0; stream < 3; stream++) close(stream); /* they are the program's now, and so is their end */
  child = number_from(server);
  sigprocmask(SIG_UNBLOCK, &passed_on, NULL);
  long status = number_from(server);
  if (status >= 0) return status;
  signal(-status, SIG_DFL);
  kill(getpid(), -status);
  return 128 - status;
}
