// The tests of atoll.hostile that are about names (hostile_names.cpp).
#pragma once

#include "base/utf.h"
#include "torture/test.h"

namespace Atoll::torture {

void parent_directory(Test& t);
void absolute_names(Test& t);
void symlinks_that_leave(Test& t);
void nul_in_name(Test& t);
void invalid_utf16(Test& t);
void long_names(Test& t);
void rename_out(Test& t);

}  // namespace Atoll::torture
