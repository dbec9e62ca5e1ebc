// Golden transcripts: protocol lessons that are run.
//
// A transcript is prose, commands and the output that each command must have:
//
//   transcript := { blank | "#" prose | command }*
//   command    := "> " words newline { output-line newline }*     (output ends at a blank line)
//
// The commands are listed in tests/scenario/README.md.
#pragma once

#include <string>
#include <vector>

namespace paxledger::sim {

struct TranscriptCheck {
  bool equal = false;
  std::string actual;                   // the transcript as it should read now
  std::string difference;               // line by line: "-" expected, "+" now
  std::vector<std::string> violations;  // broken promises; independent of the output
};

[[nodiscard]] TranscriptCheck check_transcript(const std::string& text);

// A line diff with three lines of context; empty if the texts are equal.
[[nodiscard]] std::string line_difference(const std::string& expected, const std::string& actual);

}  // namespace paxledger::sim
