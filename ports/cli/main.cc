// The temper command. Everything is in cli.cc and the verbs.
#include "ports/cli/cli.h"

int main(int argc, char** argv) { return temper::host::RunCli(argc, argv); }
