// The search behind sim/linearizability.hpp: is there an order that explains the history?
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/linearizability.hpp"

namespace paxledger::sim {

enum class SearchResult {
  linearizable,
  not_linearizable,
  given_up  // more than `states_max` configurations would have to be remembered
};
struct SearchOutcome {
  SearchResult result = SearchResult::given_up;
  std::size_t states = 0;  // configurations that were remembered
};

// Precondition: no operation is answered before it is invoked. May throw Interrupted
// (sim/interruption.hpp).
[[nodiscard]] SearchOutcome search_order(const std::vector<RegisterOperation>& history,
                                         std::size_t states_max);

}  // namespace paxledger::sim
