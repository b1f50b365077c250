package flow

// Refused returns how a client that Connect has refused is sent away, for transports that know the
// refusal only when the client is there already: the last message, and the reason with its close code.
func (h *Hub) Refused(err error) (*Frame, Bye) {
	why := ByeOverloaded
	switch {
	case h.Draining():
		why = ByeShutdown
	case ErrorCode(err) == CodeRateLimited:
		why = ByeRateLimited
	}
	return byeFrame(why, h.reconnectDelay(why)), why
}
