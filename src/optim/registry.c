/* All update rules, in each instruction set that they are compiled for, and all schedules. */
#include "math/kernels.h"
#include "optim/optim.h"

#include <string.h>

#define CVY_RULE(name) extern const cvy_rule cvy_rule_##name##_portable;
#include "optim/rules.def"
#undef CVY_RULE
#define CVY_SCHEDULE(name) extern const cvy_schedule cvy_schedule_##name;
#include "optim/schedules.def"
#undef CVY_SCHEDULE

static const cvy_rule *const portable[] = {
#define CVY_RULE(name) &cvy_rule_##name##_portable,
#include "optim/rules.def"
#undef CVY_RULE
};

#ifdef CVY_X86_KERNELS
#define CVY_RULE(name) extern const cvy_rule cvy_rule_##name##_avx2, cvy_rule_##name##_avx512;
#include "optim/rules.def"
#undef CVY_RULE

static const cvy_rule *const avx2[] = {
#define CVY_RULE(name) &cvy_rule_##name##_avx2,
#include "optim/rules.def"
#undef CVY_RULE
};

static const cvy_rule *const avx512[] = {
#define CVY_RULE(name) &cvy_rule_##name##_avx512,
#include "optim/rules.def"
#undef CVY_RULE
};
#endif

/* The sets, named as those of math/kernels.h. */
static const struct {
  const char *name;
  const cvy_rule *const *rules;
} sets[] = {{"portable", portable},
#ifdef CVY_X86_KERNELS
            {"avx2", avx2},
            {"avx512", avx512}
#endif
};

static const cvy_schedule *const schedules[] = {
#define CVY_SCHEDULE(name) &cvy_schedule_##name,
#include "optim/schedules.def"
#undef CVY_SCHEDULE
};

int64_t cvy_rule_count(void) {
  return CVY_COUNT(portable);
}

const cvy_rule *cvy_rule_in(const char *set, int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(portable));
  for (int64_t i = 0; i < CVY_COUNT(sets); i++)
    if (strcmp(sets[i].name, set) == 0) return sets[i].rules[index];
  return NULL;
}

const cvy_rule *cvy_rule_at(int64_t index) {
  const cvy_rule *rule = cvy_rule_in(cvy_kernels_get()->name, index);
  CVY_CHECK(rule, "no rules are compiled for %s", cvy_kernels_get()->name);
  return rule;
}

int64_t cvy_schedule_count(void) {
  return CVY_COUNT(schedules);
}

const cvy_schedule *cvy_schedule_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(schedules));
  return schedules[index];
}
