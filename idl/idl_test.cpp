#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/utf.h"
#include "idl/example.idl.h"
#include "idl/level.h"

namespace Atoll::idl {

// This program knows all of example.idl.
Level newest_known_level() { return 3; }

}  // namespace Atoll::idl

namespace Atoll::idl_example {
namespace {

std::vector<uint8_t> to_vector(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

std::string hex(Bytes bytes) {
    idl::Printer printer(idl::Printer::Form::json);
    printer.bytes(bytes);
    std::string text = printer.take();
    return text.substr(1, text.size() - 2);
}

session sample() {
    idl::Arbitrary random(1);
    session value;
    arbitrary(random, value);
    return value;
}

// C706 14.3: alignment by padding, referent ids in place, pointees after the structure in order, maximum counts before arrays.
TEST(Ndr, PointersByHand) {
    RPC_INFO info;
    info.name = "ab";
    info.comment = "";
    info.type = 0x11223344;
    info.origin = {-1, 2};
    info.channels = {{channel_kind::CHANNEL_RDMA, "x"}};
    info.bytes = {0x7F};
    info.tag = color::GREEN;
    Buffer out;
    encode(info, out);
    EXPECT_EQ(hex(out),
              "00000200"
              "04000200"
              "44332211"
              "00000000"
              "08000200"  // name, comment, type, where (null), origin
              "01000000"
              "0c000200"
              "10000200"  // count, channels, bytes
              "0500"
              "0500"  // tag, and the union's copy of it
              "03000000"
              "00000000"
              "03000000"
              "610062000000"
              "0000"  // name: maximum, offset, actual count, "ab\0", padding
              "01000000"
              "00000000"
              "01000000"
              "0000"  // comment
              "0000"  // to 8: origin holds a hyper
              "ffff"
              "000000000000"
              "0200000000000000"  // origin
              "01000000"
              "02000000"
              "01000000"
              "78"  // channels: maximum count, kind, counted text
              "000000"
              "01000000"
              "7f");  // bytes
    RPC_INFO again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, info);
}

TEST(Ndr, ConformantCountStandsBeforeTheStructure) {
    const conformant value = {Guid{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}, {0x0A0B, 0x0C0D}};
    Buffer out;
    encode(value, out);
    EXPECT_EQ(hex(out),
              "02000000"
              "0102030405060708090a0b0c0d0e0f10"
              "0200"
              "0b0a"
              "0d0c");
    conformant again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, value);
    out[20] = 1;  // size_is says one, the maximum count two
    EXPECT_EQ(decode(out, again).error().code, Code::corrupt);
}

TEST(Ndr, PlainStructsRoundTrip) {
    for (uint64_t seed = 0; seed < 2000; seed++) {
        idl::Arbitrary random(seed);
        nested value, again;
        arbitrary(random, value);
        Buffer out;
        encode(value, out);
        ASSERT_TRUE(decode(out, again).ok()) << seed;
        ASSERT_EQ(value, again) << seed;
    }
}

TEST(Records, RoundTripAtEveryLevel) {
    ASSERT_EQ(example_records().size(), 3u);
    for (const idl::RecordType& type : example_records()) {
        for (uint64_t seed = 0; seed < 1000; seed++) {
            const auto level = static_cast<idl::Level>(1 + seed % 4);
            idl::Arbitrary random(seed);
            Buffer out;
            type.make(random, out, level);
            EXPECT_EQ(load_le<uint16_t>(out.data()), std::min<idl::Level>(level, type.newest));
            EXPECT_EQ(idl::find_record_type(example_records(), out), &type);
            ASSERT_TRUE(type.to_text(out).ok()) << type.to_text(out).error().message();
            ASSERT_TRUE(type.round_trips(out));
            out.append_zeros(1);
            EXPECT_EQ(type.to_text(out).error().code, Code::corrupt);
        }
    }
}

TEST(Records, EncodingIsTheSameAgainAndAtAnyPlace) {
    const session value = sample();
    Buffer one, two;
    encode(value, one, 3);
    two.append_zeros(3);  // alignment counts from the record's start
    encode(value, two, 3);
    EXPECT_EQ(to_vector(one), to_vector(two.bytes().subspan(3)));
}

TEST(Records, OlderVersionGetsDefaultsAndLosesNothingElse) {
    session value = sample();
    value.priority = 99;
    value.centre = point{1, 2};
    value.last = 5;
    value.retired = 17;
    Buffer out;
    encode(value, out, 1);
    session old = sample();
    old.priority = 4;
    ASSERT_TRUE(decode(out, old).ok());
    session expected = value;
    expected.priority = 7;
    expected.centre.reset();
    expected.last = 0;
    EXPECT_EQ(old, expected);

    out.clear();
    encode(value, out, 9);  // a level above the newest: the newest
    EXPECT_EQ(load_le<uint16_t>(out.data()), 3);
    ASSERT_TRUE(decode(out, old).ok());
    expected = value;
    expected.retired = 0;  // gone from level 3 on
    EXPECT_EQ(old, expected);
}

TEST(Records, HeaderIsChecked) {
    Buffer out;
    encode(tiny_record{"abc"}, out, 1);
    const auto with = [&](size_t at, uint8_t byte) {
        Buffer copy;
        copy.append(out);
        copy[at] = byte;
        tiny_record value;
        return decode(copy, value).error();
    };
    EXPECT_EQ(with(0, 2).code, Code::unsupported);
    EXPECT_EQ(with(0, 2).message(), "tiny_record: version 2 was written by a newer program; this one reads up to 1");
    EXPECT_EQ(with(0, 0).code, Code::corrupt);
    EXPECT_EQ(with(2, static_cast<uint8_t>(out[2] ^ 1)).code, Code::corrupt);
    EXPECT_EQ(idl::decode<tiny_record>(out.bytes().first(3)).error().code, Code::corrupt);
    EXPECT_EQ(idl::decode<tiny_record>(out)->name, "abc");
}

// Though the record's own newest version would be higher: so an older program is made of this one's sources.
TEST(Records, NewerThanTheProgramKnowsIsRefused) {
    constexpr uint16_t newest = 9, tag = 0x1234;
    const auto known = static_cast<uint16_t>(idl::newest_known_level());
    for (const bool newer : {false, true}) {
        Buffer out;
        idl::NdrWriter writer(out, idl::newest_level);
        idl::put_record_header(writer, static_cast<uint16_t>(newer ? known + 1 : known), tag);
        idl::NdrReader reader(out);
        const auto level = idl::get_record_header(reader, "a record", newest, tag);
        EXPECT_EQ(level.ok(), !newer);
        EXPECT_TRUE(level.ok() || level.error().code == Code::unsupported);
    }
}

TEST(WrittenLevel, IsTheFirstUntilItIsSetAndThenOnesOwnOrAnothers) {
    EXPECT_EQ(idl::written_level(), idl::first_level);
    idl::set_written_level(2);
    EXPECT_EQ(idl::written_level(), 2u);
    Shared<uint32_t> shared = 2;
    idl::follow_written_level(shared);
    shared = 3;
    EXPECT_EQ(idl::written_level(), 3u);
    idl::set_written_level(idl::first_level);
    shared = 2;
    EXPECT_EQ(idl::written_level(), idl::first_level);
}

TEST(Records, EveryTruncationIsRefused) {
    Buffer out;
    encode(sample(), out, 3);
    session value;
    for (size_t n = 0; n < out.size(); n++) ASSERT_FALSE(decode(out.bytes().first(n), value).ok()) << n;
}

// Each breaks one rule of a small encoding made by hand.
TEST(Strict, EveryRule) {
    const auto reason = [](std::initializer_list<uint8_t> bytes, auto read) {
        const std::vector<uint8_t> in(bytes);
        idl::NdrReader reader(in);
        read(reader);
        const auto r = reader.finish("t");
        return r.ok() ? std::string() : r.error().text;
    };
    std::string text;
    std::vector<uint8_t> blob;
    EXPECT_EQ(reason({2}, [](auto& r) { r.boolean(); }), "a boolean is neither 0 nor 1 (near byte 1 of 1)");
    EXPECT_EQ(reason({1, 9, 0, 0},
                     [](auto& r) {
                         r.u8();
                         r.u16();
                     }),
              "padding is not zero (near byte 2 of 4)");
    EXPECT_EQ(reason({1, 0}, [](auto& r) { r.u8(); }), "bytes after the end (near byte 1 of 2)");
    EXPECT_EQ(reason({2, 0, 0, 0, 'a'}, [&](auto& r) { r.utf8(text, 9); }), "a count is beyond what the input holds (near byte 4 of 5)");
    EXPECT_EQ(reason({2, 0, 0, 0, 'a', 'b'}, [&](auto& r) { r.utf8(text, 1); }), "a count is beyond its limit (near byte 4 of 6)");
    EXPECT_EQ(reason({1, 0, 0, 0, 0xFF}, [&](auto& r) { r.utf8(text, 9); }), "text is not valid UTF-8 (near byte 5 of 5)");
    EXPECT_EQ(reason({1, 0, 0, 0, 0}, [&](auto& r) { r.path(text, 9); }), "a path holds a NUL (near byte 5 of 5)");
    EXPECT_EQ(reason({1, 0, 0, 0, 0xFF}, [&](auto& r) { r.path(text, 9); }), "");
    EXPECT_EQ(reason({0xFF, 0xFF, 0xFF, 0xFF}, [&](auto& r) { r.blob(blob, SIZE_MAX); }),
              "a count is beyond what the input holds (near byte 4 of 4)");
    EXPECT_EQ(reason({1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}, [&](auto& r) { r.wide_string(text, true, 9); }),
              "a string's counts contradict each other (near byte 12 of 14)");
    EXPECT_EQ(reason({1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'a', 0}, [&](auto& r) { r.wide_string(text, true, 9); }),
              "a string has no terminator (near byte 14 of 14)");
    EXPECT_EQ(reason({0, 0, 0, 0}, [&](auto& r) { r.u64(); }), "the input ends too early, or a SID is malformed (near byte 0 of 4)");
    EXPECT_FALSE(is_known(static_cast<tiny>(8)));
    EXPECT_FALSE(is_known(static_cast<session_flags>(4)));
    EXPECT_TRUE(is_known(session_flags::FLAG_GUEST | session_flags::FLAG_HIGH));
}

TEST(Strict, EnumsAndArms) {
    idl::Arbitrary random(3);
    session value = sample();
    value.kind = 1;
    value.what.make_number() = 5;
    value.shade = color::BLUE;
    Buffer out;
    encode(value, out, 3);
    session again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again.what.number(), 5);
    Buffer bad;
    bad.append(out);
    bad[4 + 4 + 8] = 2;  // `open`, after the header, padding to 8 and the session id
    EXPECT_EQ(decode(bad, again).error().text.substr(0, 9), "a boolean");
    bad.assign(out);
    bad[4 + 4 + 8 + 4] = 0x10;  // the flags
    EXPECT_EQ(decode(bad, again).error().text.substr(0, 13), "session_flags");
}

TEST(Print, TextAndJson) {
    session value = sample();
    value.session_id = 0x1F;
    value.flags = session_flags::FLAG_GUEST | session_flags::FLAG_HIGH;
    value.channels = {{channel_kind::CHANNEL_TCP, "a\"b\n\xC3\xA4"}};
    value.note.reset();
    value.directory = "/srv/\xFF";
    value.started = NtTime{132223104000000001};
    value.secret_key = {1, 2, 3};
    const std::string text = print(value);
    for (const char* part : {"session {", "\n  session_id: 0x1f\n", "\n  flags: FLAG_GUEST|FLAG_HIGH\n", "kind: CHANNEL_TCP",
                             "remote_address: \"a\\\"b\\u000a\xC3\xA4\"", "\n  note: null\n", "\n  directory: \"/srv/\\xff\"\n",
                             "\n  started: 2020-01-01T00:00:00.0000001Z\n", "\n  secret_key: (secret)\n"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << "\nin\n" << text;
    }
    const auto json = nlohmann::json::parse(print_json(value));
    EXPECT_EQ(json["session_id"], 0x1F);
    EXPECT_EQ(json["channels"][0]["remote_address"], "a\"b\n\xC3\xA4");
    EXPECT_EQ(json["directory"], "/srv/\xEF\xBF\xBD");
    EXPECT_TRUE(json["note"].is_null());
}

TEST(Print, ArbitraryRecordsAreValidJson) {
    for (const idl::RecordType& type : example_records()) {
        for (uint64_t seed = 0; seed < 300; seed++) {
            idl::Arbitrary random(seed);
            Buffer out;
            type.make(random, out, type.newest);
            EXPECT_TRUE(nlohmann::json::accept(*type.to_json(out)));
        }
    }
}

TEST(Generated, ConstantsAndDefaults) {
    static_assert(MAX_CHANNELS == 4 && BIG == (int64_t{1} << 40) + 7);
    EXPECT_EQ(session().priority, 7u);
    EXPECT_EQ(session().small_enum, tiny::TINY_A);
    EXPECT_EQ(session().flags, session_flags::none);
    static_assert(session::newest_version == 3);
}

// MS-RPCE 2.2.4.5, 2.2.5.2 and 2.2.5.3.4: the arm of an ms_union, enums and native integers, and the trailing gap.
TEST(Ndr64, WhatDiffersFromNdr) {
    wide value;
    value.kind = 2;
    value.value.make_small_one() = 0x55;
    value.native = -2;
    value.shade = color::BLUE;
    value.last = 0x77;
    Buffer ndr, ndr64;
    idl::NdrWriter narrow(ndr, idl::Syntax::ndr), writer(ndr64, idl::Syntax::ndr64);
    ndr_put(narrow, value);
    ndr_put(writer, value);
    EXPECT_EQ(hex(ndr),
              "02020000000000005500"
              "0000"
              "feffffff"
              "0600"
              "77");
    EXPECT_EQ(hex(ndr64),
              "0200000000000000"  // the union is aligned as its largest arm
              "0200000000000000"
              "5500000000000000"
              "feffffffffffffff"
              "06000000"
              "77"
              "000000");
    wide again;
    idl::NdrReader reader(ndr64, {idl::Syntax::ndr64, false});
    ndr_get(reader, again);
    ASSERT_TRUE(reader.finish("wide").ok());
    EXPECT_EQ(again, value);
}

// C706 14.3.3.4: maximum count, offset, actual count.
TEST(Ndr, ConformantVaryingArrays) {
    counted_string value;
    value.length = 4;
    value.maximum = 6;
    value.buffer = {{'h', 'i'}};
    Buffer out;
    encode(value, out);
    EXPECT_EQ(hex(out),
              "04000600"
              "00000200"
              "03000000"
              "00000000"
              "02000000"
              "68006900");
    counted_string again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, value);
    out[16] = 3;  // three units, where length says two
    EXPECT_FALSE(decode(out, again).ok());

    const trailing tail = {1, 5, {7}};
    out.clear();
    encode(tail, out);
    EXPECT_EQ(hex(out),
              "05000000"
              "01000500"
              "00000000"
              "01000000"
              "0700");
    trailing tail_again;
    ASSERT_TRUE(decode(out, tail_again).ok());
    EXPECT_EQ(tail_again, tail);
}

TEST(Ndr, VaryingArraysAndStrings) {
    varying value;
    value.start = 2;
    value.used = 3;
    value.window = {1, 2, 3};
    value.label = "ab";
    Buffer out;
    encode(value, out);
    EXPECT_EQ(hex(out),
              "0200000003000000"
              "0200000003000000"
              "010002000300"
              "0000"
              "0000000003000000"
              "610062000000");
    varying again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, value);
    out[0] = 1;  // first_is
    EXPECT_NE(decode(out, again).error().text.find("first_is"), std::string::npos);
    out[0] = 9;  // range(0, 8)
    EXPECT_NE(decode(out, again).error().text.find("range"), std::string::npos);
}

odd odd_sample() {
    odd value;
    value.near_one = point{1, 2};
    value.inside.comment = "c";
    value.inside.tag = color::GREEN;
    value.text = "t";
    value.number = 3;
    value.full = 4;
    value.other = 5;
    return value;
}

TEST(Ndr, RelativePointersAndSubcontexts) {
    const odd value = odd_sample();
    Buffer out;
    encode(value, out);
    const uint32_t near_at = load_le<uint32_t>(out.data());
    const uint32_t inside_size = load_le<uint32_t>(out.data() + 4);
    ASSERT_LE(near_at + 16, out.size());
    EXPECT_EQ(near_at % 8, 0u);
    EXPECT_EQ(load_le<uint16_t>(out.data() + near_at), 1u);
    Buffer inside;
    encode(value.inside, inside);
    EXPECT_EQ(hex(out.bytes().subspan(8, inside_size)), hex(inside));  // an encoding of its own
    odd again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, value);
    for (size_t n = 0; n < out.size(); n++) ASSERT_FALSE(decode(out.bytes().first(n), again).ok()) << n;
    store_le<uint32_t>(out.data(), 0xFFFFFFF0);
    EXPECT_FALSE(decode(out, again).ok());
}

TEST(Ndr, FullPointersMayNotAlias) {
    odd value = odd_sample();
    value.near_one.reset();
    value.text.reset();
    Buffer out;
    encode(value, out);
    // The two referents stand before the two longs that end the encoding.
    uint8_t* first = out.data() + out.size() - 16;
    ASSERT_NE(load_le<uint32_t>(first), load_le<uint32_t>(first + 4));
    store_le<uint32_t>(first + 4, load_le<uint32_t>(first));
    odd again;
    EXPECT_NE(decode(out, again).error().text.find("full pointer"), std::string::npos);
}

TEST(Functions, OpnumsAndTable) {
    EXPECT_EQ(Open::opnum, 0);
    EXPECT_EQ(Read::opnum, 2);
    EXPECT_EQ(Close::opnum, 5);
    EXPECT_EQ(example_interface().functions.size(), 5u);
    EXPECT_EQ(example_interface().find(1), nullptr);
    EXPECT_EQ(example_interface().find(4)->name, "Exchange");
}

TEST(Functions, ArbitraryCallsRoundTrip) {
    for (const idl::FunctionType& function : example_interface().functions) {
        for (uint64_t seed = 0; seed < 400; seed++) {
            const auto syntax = seed % 2 == 0 ? idl::Syntax::ndr : idl::Syntax::ndr64;
            idl::Arbitrary random(seed);
            Buffer request, response, again;
            function.make(random, syntax, request, response);
            const auto r = function.again_request(request, {syntax, false}, syntax, again);
            ASSERT_TRUE(r.ok()) << function.name << " " << seed << ": " << r.error().message();
            ASSERT_EQ(hex(again), hex(request)) << function.name << " " << seed;
            again.clear();
            const auto a = function.again_response(request, response, {syntax, false}, syntax, again);
            ASSERT_TRUE(a.ok()) << function.name << " " << seed << ": " << a.error().message();
            ASSERT_EQ(hex(again), hex(response)) << function.name << " " << seed;
        }
    }
}

// [out, size_is(size), length_is(*got)]: the response is read with the request in hand.
TEST(Functions, ResponseReadWithItsRequest) {
    Read::In in;
    in.size = 8;
    Read::Out out, again;
    out.data = {1, 2, 3};
    out.got = 3;
    Buffer stub;
    encode(out, in, stub);
    EXPECT_EQ(hex(stub),
              "08000000000000000300000001020300"
              "03000000"
              "00000000");
    ASSERT_TRUE(decode(stub, again, in).ok());
    EXPECT_EQ(again, out);
    EXPECT_EQ(print(again), "Read response {\n  data: \"010203\"\n  got: 3\n  result: 0\n}");
}

// One counter for two arrays: of the one that is null it says nothing.
TEST(Ndr, CounterOfANullPointer) {
    RPC_INFO info, again;
    info.comment = "";
    info.tag = color::GREEN;
    info.bytes = {1, 2, 3};
    Buffer out;
    encode(info, out);
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, info);
    EXPECT_FALSE(again.channels.has_value());
}

// A record of ours is strict, the same bytes in a stub are not.
TEST(Functions, StubsAreReadAsTheyCome) {
    const std::vector<uint8_t> in = {9, 1, 2, 3, 4, 0, 0, 0};
    idl::NdrReader strict(in), lenient(in, idl::StubFormat{});
    EXPECT_EQ(strict.boolean(), true);
    EXPECT_FALSE(strict.ok());
    EXPECT_EQ(lenient.boolean(), true);
    EXPECT_EQ(lenient.u32(), 4u);
    EXPECT_TRUE(lenient.finish("t").ok());
}

}  // namespace
}  // namespace Atoll::idl_example
