// Prints the drawing of a history, for curves_test.py:
//   draw_curves TITLE < "loss accuracy val_loss val_accuracy" for each epoch
// Ends with the exit code of the error that curves_svg throws.

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "engine/base/error.h"
#include "engine/report/report.h"

int main(int, char** values) {
  graft::History history;
  double number[4];
  std::size_t count = 0;
  for (std::string word; std::cin >> word;) {
    number[count++ % 4] = std::strtod(word.c_str(), nullptr);
    if (count % 4 == 0) history.push_back({number[0], number[1], number[2], number[3]});
  }
  try {
    std::fputs(graft::curves_svg(history, values[1], 0.5).c_str(), stdout);
    return EXIT_SUCCESS;
  } catch (const graft::Error& error) {
    return static_cast<int>(error.kind());
  }
}
