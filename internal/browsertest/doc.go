// Package browsertest drives a real headless Chromium: windows of different people, real mouse and
// keyboard, and polls with a deadline in place of sleeping.
//
// A machine without Chromium fails the test and says what to install; nothing is ever skipped. The
// browser resolves no name and reaches no address but 127.0.0.1.
package browsertest
