// Asio's own code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION).
#include "base/loop/asio.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#include <boost/asio/impl/src.hpp>
#pragma GCC diagnostic pop
