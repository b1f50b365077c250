package handlers

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A call returns when what it runs has ended, however that ends, and tells of its panic. The next one works.
func TestStage_Do(t *testing.T) {
	st := &stage{}
	st.enter()
	defer st.leave()
	broken := errors.New("broken")
	for range 3 {
		ran := false
		if err := st.do(func() { ran = true }); err != nil || !ran {
			t.Fatalf("ran: %v, %v", ran, err)
		}
		if err := st.do(func() { runtime.Goexit() }); !errors.Is(err, errEnded) {
			t.Errorf("its goroutine ended: %v", err)
		}
		err := st.do(func() { panic(broken) })
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "TestStage_Do") {
			t.Errorf("it panicked: %v", err)
		}
	}
}

// A call that waits holds up no other. However many there are, few goroutines stay, and none after the last
// socket, as the package's leak check holds.
func TestStage_Do_together(t *testing.T) {
	st := &stage{}
	st.enter()
	var waiting, calls sync.WaitGroup
	release := make(chan struct{})
	for range 4 * idleActors {
		waiting.Add(1)
		calls.Go(func() {
			_ = st.do(func() { // which cannot panic
				waiting.Done()
				<-release
			})
		})
	}
	waiting.Wait()
	close(release)
	calls.Wait()
	if kept := len(st.idle); kept == 0 || kept > idleActors {
		t.Errorf("%d are kept", kept)
	}
	st.leave()
}
