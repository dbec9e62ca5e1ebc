// Which of the planted bugs the program has. Only generated copies of the sources include this.
#pragma once

namespace paxledger::planted {

inline int chosen = 0;  // 0: none
inline bool is(int number) {
  return chosen == number;
}

}  // namespace paxledger::planted
