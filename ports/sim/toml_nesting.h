// How deep a TOML text is nested, before a parser sees it: toml++ builds and
// destroys a level of dotted keys per call of itself, and 600 KB of "a.a.a."
// end the stack. Next: profile.cc, which asks.
#ifndef TEMPER_PORTS_SIM_TOML_NESTING_H_
#define TEMPER_PORTS_SIM_TOML_NESTING_H_

#include <cstdint>
#include <string_view>

namespace temper::sim {

// The first line on which more than `most` brackets are open (arrays, inline
// tables, headers) or a key has more than `most` dots; 0 if there is none. What
// stands in strings and comments does not count. One pass, no memory; of a text
// that is not TOML it may name a line or not.
uint32_t LineNestedDeeperThan(std::string_view text, uint32_t most);

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_TOML_NESTING_H_
