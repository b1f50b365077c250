// Package mergepatch adapts JSON merge patch (RFC 7396) to flow's reducers: a room whose operations are
// patches has a state, and the server knows it.
//
//	Reductions: []flow.Reduction{{Rooms: "board-*", Reducer: mergepatch.Reducer{}}},
//
// An operation that is an object changes the members that it names: null removes one, an object changes the
// members of the one that is there, anything else takes its place. An operation that is no object takes the
// place of the whole state. So two people who change different members never undo each other's work, and of
// two who change the same one the later wins. Lists are replaced whole; what people edit at the same time
// belongs into objects, under ids.
//
// # What the RFC leaves open
//
//   - Before the first operation there is no state, which is different from null: an object makes one of
//     its members, without those that are null.
//   - null removes members, and nothing else: elements of arrays that are null stay, and so do members that
//     are null inside arrays, or in a snapshot that somebody else has made.
//   - Values and names are kept as they were written: 1e400 and 10000000000000000001 lose nothing here,
//     though a browser reads both as doubles. A member that stays keeps the spelling of its name.
//   - Names are equal when their characters are: "a" is "\u0061". A half of a surrogate pair, written as
//     an escape, is a character like any other. No name is special.
//   - Of members with one name in one object the last counts, as in JSON.parse.
//   - Members keep their order, new ones come last. One that was removed and comes back is new.
//
// The function mergePatch of the client does the same in JavaScript, and a test compares the two.
//
// # Going back
//
// [Reducer.Diff] returns the patch that makes one state of another. Two states are equal when they have
// the same values, whatever the order of members and the spelling of strings; numbers are compared as they
// are written. A patch cannot say that a member shall be null, nor that there shall be no state: then there
// is none, and the error says which of the two it is, and where.
//
// # Limits and cost
//
// A patch must be JSON in UTF-8, and no value in it may stand inside more than 512 arrays and objects, as
// anywhere in flow; [Reducer.Check] refuses what is not. Whatever the patches are, the result is compact, no
// deeper than the deepest of them and the state, and no longer than all of them and the state together. The
// state has to be compact JSON too. It is not looked at closely, because it comes from here or the hub has
// checked it: of another one the result is an error, or no JSON either.
//
// [Reducer.Fold] brings all patches together first, without the state, and then reads and writes the state
// once, however deep the patches go: about a gigabyte a second on one core, and a few microseconds for each
// patch of a few members. A state of 1 MB with one patch takes 1 ms, with a thousand 4 ms. A patch of 64 KiB that
// adds as much as it can takes 5 to 10 ms. A state in which a member that changes stands twice is read twice.
// [Reducer.Diff] decodes both states, some 40 ms for a megabyte.
package mergepatch
