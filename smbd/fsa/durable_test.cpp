// Opens that outlive their client.
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/oplocks_fixture_test.h"
