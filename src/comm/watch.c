/* Asks, answers, and tells who is missing. No error is reported: a rank that cannot be asked is not
 * watched. */
#define _DEFAULT_SOURCE /* getifaddrs */
#include "comm/watch.h"

#include "base/thread.h"
#include "base/wait.h"
#include "comm/mpi.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADDRESSES = 4 };

cvy_watch_times cvy_watch_clock = {.ask = 5, .miss = 30, .again = 60};

/* The place where a rank can be asked. */
typedef struct place {
  uint64_t secret;               /* rank 0's goes with every message of the job */
  uint32_t addresses[ADDRESSES]; /* in network byte order, as the port is */
  int32_t address_count, node, pid;
  uint16_t port; /* 0: the rank cannot be asked */
  char host[64];
} place;

typedef struct message {
  uint64_t secret;
  int32_t from;
  int32_t asks; /* 1: a question; 0: an answer */
} message;

/* A rank that is asked. */
typedef struct watched {
  int rank;
  double answered_s; /* 0: not yet */
  double told_s;     /* when people were last told that it does not answer; 0: it answers */
} watched;

struct cvy_watch {
  int rank, ranks, socket, wake;
  place *places;    /* [ranks] */
  watched *watched; /* [count] */
  int count;
  double waiting_told_s; /* when people were last told that this rank waits; 0: it does not wait */
  pthread_t thread;
};

/* ---- before it starts ---- */

/* Adds an address, unless it is one that only this host can reach. */
static void add_address(place *p, const struct sockaddr *address) {
  struct sockaddr_in internet;
  if (!address || address->sa_family != AF_INET || p->address_count == ADDRESSES) return;
  memcpy(&internet, address, sizeof internet);
  if (ntohl(internet.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) return;
  p->addresses[p->address_count++] = internet.sin_addr.s_addr;
}

static int open_socket(place *p) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
  socklen_t length = sizeof any;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0 ||
      getsockname(fd, (struct sockaddr *)&any, &length) != 0) {
    close(fd);
    return -1;
  }
  p->port = any.sin_port;
  return fd;
}

/* Describes this rank's place. Returns its open socket, or -1 if there can be none. */
static int find_place(place *p, const cvy_comm *comm) {
  struct ifaddrs *interfaces;
  *p = (place){.node = comm->node_leader, .pid = getpid()};
  p->secret = ((uint64_t)getpid() << 40) ^ (uint64_t)(1e9 * cvy_now_s());
  if (gethostname(p->host, sizeof p->host - 1)) snprintf(p->host, sizeof p->host, "unknown");
  if (getifaddrs(&interfaces) == 0) {
    for (const struct ifaddrs *i = interfaces; i; i = i->ifa_next) add_address(p, i->ifa_addr);
    freeifaddrs(interfaces);
  }
  return open_socket(p);
}

static void watch_rank(cvy_watch *w, int rank) {
  if (w->places[rank].port != 0) w->watched[w->count++] = (watched){.rank = rank};
}

/* Returns the rank that asks rank 0: the first one on another node, or rank 1 if there is none. */
static int second_of(const cvy_watch *w) {
  for (int rank = 1; rank < w->ranks; rank++)
    if (w->places[rank].node != w->places[0].node) return rank;
  return 1;
}

static void choose_watched(cvy_watch *w) {
  for (int rank = 1; w->rank == 0 && rank < w->ranks; rank++) watch_rank(w, rank);
  if (w->rank == second_of(w)) watch_rank(w, 0);
}

/* ---- asking and answering ---- */

static void send_to(const cvy_watch *w, const struct sockaddr_in *to, bool asks) {
  const message m = {.secret = w->places[0].secret, .from = w->rank, .asks = asks};
  /* What is lost is asked again. */
  if (sendto(w->socket, &m, sizeof m, MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof *to) < 0) return;
}

static void ask(const cvy_watch *w, int rank) {
  const place *p = &w->places[rank];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = p->port};
  for (int i = 0; i < p->address_count; i++) {
    to.sin_addr.s_addr = p->addresses[i];
    send_to(w, &to, true);
  }
  if (p->node != w->places[w->rank].node) return;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  send_to(w, &to, true);
}

static void note_answer(cvy_watch *w, int rank, double now_s) {
  for (int i = 0; i < w->count; i++) {
    watched *p = &w->watched[i];
    if (p->rank != rank) continue;
    if (p->told_s > 0)
      cvy_warn_everywhere("rank %d on %s answers again, after %.0f s", rank, w->places[rank].host,
                          now_s - p->answered_s);
    p->answered_s = now_s;
    p->told_s = 0;
  }
}

static void read_messages(cvy_watch *w, double now_s) {
  message m;
  struct sockaddr_in from;
  for (;;) {
    socklen_t length = sizeof from;
    const ssize_t got = recvfrom(w->socket, &m, sizeof m, 0, (struct sockaddr *)&from, &length);
    if (got < 0) return;
    if (got != (ssize_t)sizeof m || m.secret != w->places[0].secret) continue;
    if (m.asks)
      send_to(w, &from, false);
    else
      note_answer(w, m.from, now_s);
  }
}

/* ---- who is missing ---- */

/* Tells whether people should be told of what has lasted since `since_s`, for the first time or again. */
static bool is_due(double since_s, double told_s, double now_s) {
  return now_s - since_s >= cvy_watch_clock.miss && (told_s == 0 || now_s - told_s >= cvy_watch_clock.again);
}

static void look_at(const cvy_watch *w, watched *p, double now_s) {
  if (p->answered_s == 0 || !is_due(p->answered_s, p->told_s, now_s)) return;
  const place *where = &w->places[p->rank];
  p->told_s = now_s;
  cvy_warn_everywhere(
      "rank %d on %s (process %d) has not answered for %.0f s: it is stopped, or its node hangs or cannot be "
      "reached; the others wait for it",
      p->rank, where->host, where->pid, now_s - p->answered_s);
}

static void look_at_own_wait(cvy_watch *w, double now_s) {
  double since_s;
  const char *for_what = cvy_waits_for(&since_s);
  if (!for_what) {
    w->waiting_told_s = 0;
    return;
  }
  if (!is_due(since_s, w->waiting_told_s, now_s)) return;
  w->waiting_told_s = now_s;
  cvy_warn_everywhere("rank %d on %s has been waiting for %s for %.0f s", w->rank, w->places[w->rank].host,
                      for_what, now_s - since_s);
}

/* Forgives the others their silence of `slept_s`, in which this process was stopped itself or had no core. */
static void forgive(cvy_watch *w, double slept_s) {
  for (int i = 0; i < w->count; i++)
    if (w->watched[i].answered_s > 0) w->watched[i].answered_s += slept_s;
}

static void *run(void *context) {
  cvy_watch *w = context;
  double before_s = cvy_now_s(), ask_s = before_s;
  for (;;) {
    const double left_s = ask_s - cvy_now_s();
    struct pollfd fds[2] = {{.fd = w->socket, .events = POLLIN}, {.fd = w->wake, .events = POLLIN}};
    poll(fds, 2, left_s > 0 ? (int)(1e3 * left_s) + 1 : 0);
    if (fds[1].revents) return NULL;
    const double now_s = cvy_now_s();
    if (now_s - before_s > 2 * cvy_watch_clock.ask) forgive(w, now_s - before_s);
    before_s = now_s;
    read_messages(w, now_s);
    if (now_s < ask_s) continue;
    ask_s = now_s + cvy_watch_clock.ask;
    for (int i = 0; i < w->count; i++) {
      look_at(w, &w->watched[i], now_s);
      ask(w, w->watched[i].rank);
    }
    look_at_own_wait(w, now_s);
  }
}

/* ---- from outside ---- */

static void free_watch(cvy_watch *w) {
  if (w->socket >= 0) close(w->socket);
  if (w->wake >= 0) close(w->wake);
  free(w->places);
  free(w->watched);
  free(w);
}

cvy_watch *cvy_watch_start(cvy_comm *comm) {
  if (comm->size == 1) return NULL;
  place mine;
  cvy_watch *w = cvy_new(sizeof *w);
  w->rank = comm->rank;
  w->ranks = comm->size;
  w->places = cvy_new(sizeof *w->places * (size_t)comm->size);
  w->watched = cvy_new(sizeof *w->watched * (size_t)comm->size);
  w->socket = find_place(&mine, comm);
  w->wake = eventfd(0, EFD_CLOEXEC);
  CVY_MPI(MPI_Allgather(&mine, (int)sizeof mine, MPI_BYTE, w->places, (int)sizeof mine, MPI_BYTE, comm->mpi));
  choose_watched(w);
  if (w->socket >= 0 && w->wake >= 0 &&
      cvy_thread_start(&w->thread, run, w, "the thread that watches ranks") == CVY_OK)
    return w;
  free_watch(w);
  return NULL;
}

void cvy_watch_stop(cvy_watch *w) {
  if (!w) return;
  const uint64_t one = 1;
  if (write(w->wake, &one, sizeof one) == (ssize_t)sizeof one) pthread_join(w->thread, NULL);
  free_watch(w);
}
