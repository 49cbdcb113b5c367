/* Raises the soft limit of descriptors. It is no higher than needed: libraries that call select() fail beyond
 * 1024. */
#include "file/descriptors.h"

#include <dirent.h>
#include <sys/resource.h>

enum { SPARE = 512, USUALLY_OPEN = 64 };

static int64_t count_open(void) {
  DIR *dir = opendir("/proc/self/fd");
  int64_t count = -3; /* two of the entries are no files, and one is this folder */
  if (!dir) return USUALLY_OPEN;
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

/* Returns `limit` as a number that can be added to. */
static int64_t number_of(rlim_t limit) {
  return limit == RLIM_INFINITY || limit > INT32_MAX ? INT32_MAX : (int64_t)limit;
}

int64_t cvy_descriptors_reserve(int64_t count) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return count;
  const int64_t hard = number_of(limit.rlim_max), open = count_open();
  const int64_t spare = SPARE < hard / 4 ? SPARE : hard / 4;
  const int64_t wanted = open + count + spare < hard ? open + count + spare : hard;
  if (wanted > number_of(limit.rlim_cur)) {
    const struct rlimit raised = {.rlim_cur = (rlim_t)wanted, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = raised.rlim_cur;
  }
  const int64_t room = number_of(limit.rlim_cur) - open - spare;
  return room < 0 ? 0 : room < count ? room : count;
}
