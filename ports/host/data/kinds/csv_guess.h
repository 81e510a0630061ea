// The marks of a table whose columns are known: what stands between its fields, and
// in its numbers. Only a table whose columns a model names can be read so: without
// names a guess may be wrong and still fit.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_CSV_GUESS_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_CSV_GUESS_H_

#include <vector>

#include "models/files/columns.h"
#include "ports/host/data/kinds/csv.h"

namespace temper::host {

// Fills in the delimiter, if none was given, by which the header has all columns,
// and the decimal mark, if none was given, by which the first row's numbers are
// numbers. Leaves out what it cannot tell: the reader then says what is wrong.
void GuessMarks(const OpenSource& open, const std::vector<TableColumn>& columns,
                CsvOptions* options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_CSV_GUESS_H_
