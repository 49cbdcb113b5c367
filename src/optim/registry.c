#include "optim/optim.h"

#define CVY_RULE(name) extern const cvy_rule cvy_rule_##name;
#include "optim/rules.def"
#undef CVY_RULE
#define CVY_SCHEDULE(name) extern const cvy_schedule cvy_schedule_##name;
#include "optim/schedules.def"
#undef CVY_SCHEDULE

static const cvy_rule *const rules[] = {
#define CVY_RULE(name) &cvy_rule_##name,
#include "optim/rules.def"
#undef CVY_RULE
};

static const cvy_schedule *const schedules[] = {
#define CVY_SCHEDULE(name) &cvy_schedule_##name,
#include "optim/schedules.def"
#undef CVY_SCHEDULE
};

int64_t cvy_rule_count(void) {
  return CVY_COUNT(rules);
}

const cvy_rule *cvy_rule_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(rules));
  return rules[index];
}

int64_t cvy_schedule_count(void) {
  return CVY_COUNT(schedules);
}

const cvy_schedule *cvy_schedule_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(schedules));
  return schedules[index];
}
