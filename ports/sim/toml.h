// toml++ as all of temper uses it: headers alone, no exceptions. Ask
// LineNestedDeeperThan (toml_nesting.h) before parsing what comes from outside.
#ifndef TEMPER_PORTS_SIM_TOML_H_
#define TEMPER_PORTS_SIM_TOML_H_

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 and 3.4 assert that a table's name begins as a key does, without
// having looked: "[." aborts, and where assertions are off, Clang may assume
// that it never happens. The next line of its parser reports it as an error:
// let it.
#if __has_include(<toml++/impl/preprocessor.hpp>)
#include <toml++/impl/preprocessor.hpp>
#else
#include <toml++/impl/preprocessor.h>
#endif
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

#endif  // TEMPER_PORTS_SIM_TOML_H_
