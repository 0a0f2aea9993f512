// The only place where Asio is included, and only for the .cpp files of this room.
#pragma once

#define BOOST_ASIO_SEPARATE_COMPILATION 1
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
