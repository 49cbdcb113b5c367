/* What the file of an update rule needs besides optim.h. It is compiled once for each instruction set. */
#ifndef CVY_OPTIM_RULE_H
#define CVY_OPTIM_RULE_H

#include "optim/optim.h"

#define CVY_RULE_JOIN(name, set)        cvy_rule_##name##_##set
#define CVY_RULE_JOIN_VALUES(name, set) CVY_RULE_JOIN(name, set)

/* The name of the rule's constant in this set; the build defines CVY_SET. */
#define CVY_RULE_CONSTANT(name) CVY_RULE_JOIN_VALUES(name, CVY_SET)

/* Stands before a loop whose iterations are independent of each other. */
#define CVY_VECTOR _Pragma("omp simd")

#endif
