// What nearly every test includes (cmake/rooms.cmake).
#pragma once

#include <gtest/gtest.h>

#include <precompiled_code.h>
