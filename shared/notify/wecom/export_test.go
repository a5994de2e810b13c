package wecom

// WithoutPause tries again at once.
func (s *Sender) WithoutPause() *Sender {
	s.pause = 0
	return s
}
