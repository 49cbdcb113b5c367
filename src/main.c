/* The program: everything is a subcommand (cmd/command.h). */
#include "cmd/command.h"

int main(int argc, char **argv) {
  return cvy_command_main(argc, (const char *const *)argv);
}
